"""Partners' service levels, and the staff tasks when they take longer."""

import datetime as dt

import pytest

from accounts.models import StaffTask
from core.actors import SYSTEM
from partners import service_levels
from partners.acceptance import record_refusal
from partners.interventions import retry_step
from partners.models import EnrollmentStep
from partners.providers import change_provider, pause_provider, resume_provider
from partners.service_levels import raise_breaches
from partners.tests.breaches import breaches

from .factories import NOON, STAFF, accept, approved, complete, steps_of

pytestmark = pytest.mark.django_db

SECOND = dt.timedelta(seconds=1)
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)


def queued() -> EnrollmentStep:
    return steps_of(approved(now=NOON))[0]


def sweep(now: dt.datetime) -> int:
    return raise_breaches(limit=100, now=now)


def tasks() -> list[tuple[str, str]]:
    return list(StaffTask.objects.order_by("pk").values_list("kind", "status"))


class TestAPartnerThatIsLateToAccept:
    @pytest.mark.sqlite
    def test_is_a_task_for_staff_after_its_hours_and_once(self) -> None:
        step = queued()

        assert sweep(NOON + DAY) == 0
        assert sweep(NOON + DAY + SECOND) == 1
        assert sweep(NOON + 2 * DAY) == 0

        task = StaffTask.objects.get()
        assert (task.kind, task.subject) == ("partner_acceptance_late", f"partner_step:{step.cuid}")
        assert task.summary == f"{step.provider} has not taken a learner within 24 hours."

    def test_holds_up_no_other_if_it_can_not_be_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        first, second = queued(), queued()
        ask = service_levels._ask_staff

        def fail_for_the_first(step: EnrollmentStep) -> None:
            if step.pk == first.pk:
                raise RuntimeError("broken")
            ask(step)

        monkeypatch.setattr(service_levels, "_ask_staff", fail_for_the_first)

        assert sweep(NOON + 2 * DAY) == 1

        assert StaffTask.objects.get().subject == f"partner_step:{second.cuid}"
        first.refresh_from_db()
        assert first.breached_at is None

    def test_is_held_to_its_own_hours(self) -> None:
        step = queued()
        change_provider(provider_id=step.provider_id, accept_within_hours=2, now=NOON)

        assert sweep(NOON + 2 * HOUR + SECOND) == 1

    def test_is_no_task_again_once_staff_have_dealt_with_it(self) -> None:
        queued()
        sweep(NOON + 2 * DAY)
        StaffTask.objects.update(status="done")

        sweep(NOON + 3 * DAY)

        assert tasks() == [("partner_acceptance_late", "done")]

    def test_is_settled_by_its_acceptance(self) -> None:
        step = queued()
        sweep(NOON + 2 * DAY)

        accept(step, now=NOON + 3 * DAY)

        assert tasks() == [("partner_acceptance_late", "done")]
        assert EnrollmentStep.objects.get(pk=step.pk).breached_at is None
        assert breaches(now=NOON + 3 * DAY) == set()

    def test_is_a_task_again_when_it_is_asked_again_and_late_again(self) -> None:
        step = queued()
        sweep(NOON + 2 * DAY)
        record_refusal(step_id=step.pk, reason="No such course", actor=SYSTEM, now=NOON + 2 * DAY)
        retry_step(step_id=step.pk, reason="It exists now", actor=STAFF, now=NOON + 3 * DAY)

        sweep(NOON + 5 * DAY)

        late = [status for kind, status in tasks() if kind == "partner_acceptance_late"]
        assert late == ["done", "open"]


class TestAPartnerThatIsLateToFinish:
    def test_is_a_task_for_staff_after_its_days(self) -> None:
        step = accept(queued(), now=NOON)

        assert sweep(NOON + 14 * DAY) == 0
        assert sweep(NOON + 14 * DAY + SECOND) == 1

        task = StaffTask.objects.get()
        assert (task.kind, task.subject) == ("partner_completion_late", f"partner_step:{step.cuid}")
        assert task.summary == f"A learner has not finished at {step.provider} within 14 days."

    def test_is_settled_by_the_completion(self) -> None:
        step = accept(queued(), now=NOON)
        sweep(NOON + 15 * DAY)

        complete(step, now=NOON + 16 * DAY)

        assert tasks() == [("partner_completion_late", "done")]

    def test_is_told_of_besides_a_late_acceptance(self) -> None:
        step = queued()
        sweep(NOON + 2 * DAY)
        accept(step, now=NOON + 2 * DAY)

        sweep(NOON + 17 * DAY)

        assert tasks() == [("partner_acceptance_late", "done"), ("partner_completion_late", "open")]

    def test_is_given_the_time_of_its_outages(self) -> None:
        step = accept(queued(), now=NOON)
        pause_provider(provider_id=step.provider_id, now=NOON + DAY)
        resume_provider(provider_id=step.provider_id, now=NOON + 4 * DAY)

        assert sweep(NOON + 17 * DAY) == 0
        assert sweep(NOON + 17 * DAY + SECOND) == 1
