import pytest
from celery.exceptions import ImproperlyConfigured

from enrollment_project import celery_app
from enrollment_project.queues import FORMER, HOUSEKEEPING, LONG, QUEUES, queue_of


@pytest.fixture(scope="module")
def tasks() -> set[str]:
    celery_app.loader.import_default_modules()
    return {name for name in celery_app.tasks if not name.startswith("celery.") and ".tests." not in name}


class TestATask:
    def test_of_every_name_waits_in_a_queue_that_workers_serve(self, tasks: set[str]) -> None:
        served = {queue.name for queue in QUEUES} - {FORMER}

        assert {queue_of(name) for name in tasks} == served
        assert tasks >= LONG

    @pytest.mark.parametrize(
        ("name", "queue"),
        [
            ("notifications.tasks.send_notification", "mails"),
            ("billing.tasks.submit_refund", "payments"),
            ("partners.tasks.poll_provider", "partners"),
            ("events.tasks.deliver_webhooks", "events"),
            ("cohorts.tasks.expire_waitlist_offers", "enrollments"),
            ("enrollments.tasks.carry_out_held_reviews", "enrollments"),
            ("enrollments.tasks.import_candidates", "jobs"),
            ("backoffice.tasks.write_export", "jobs"),
            ("enrollments.tasks.forget_import_files", "housekeeping"),
            ("operations.tasks.examine_data", "housekeeping"),
        ],
    )
    def test_is_sent_to_the_queue_of_its_kind_and_to_no_other(self, name: str, queue: str) -> None:
        sent = celery_app.amqp.router.route({}, name)["queue"]

        assert (sent.name, sent.routing_key) == (queue, queue)

    def test_of_an_app_without_a_queue_cannot_be_sent(self) -> None:
        with pytest.raises(LookupError, match=r"^The app of payroll\.tasks\.pay has no queue"):
            celery_app.amqp.router.route({}, "payroll.tasks.pay")


class TestAWorker:
    def test_that_is_told_nothing_takes_every_queue(self) -> None:
        assert celery_app.amqp.Queues(QUEUES).consume_from.keys() == {queue.name for queue in QUEUES}

    def test_for_the_prompt_takes_all_but_what_is_long(self) -> None:
        queues = celery_app.amqp.Queues(QUEUES)

        queues.deselect(["jobs", HOUSEKEEPING])

        assert queues.consume_from.keys() == {"mails", "payments", "partners", "events", "enrollments", FORMER}

    def test_for_a_queue_that_is_none_does_not_start(self) -> None:
        queues = celery_app.amqp.Queues(QUEUES, create_missing=celery_app.conf.task_create_missing_queues)

        with pytest.raises((KeyError, ImproperlyConfigured)):
            queues.select(["mail"])
