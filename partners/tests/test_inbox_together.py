"""Many events of partners in one transaction: each has the same effect as on its own."""

import datetime as dt
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.apps import apps
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from core.clock import utc_now
from enrollments.lifecycle import unenroll_enrollment
from enrollments.tests.factories import STAFF
from notifications.models import Notification
from partners import inbox
from partners.effects import EFFECTS
from partners.inbox import handle_due_events, handle_event
from partners.interventions import reopen_step, skip_step
from partners.models import EnrollmentStep, PartnerEvent
from partners.progression import Advance
from partners.states import GroupRule

from .breaches import breaches
from .factories import ProviderFactory, accept, approved, complete, instance_with, statuses, steps_of

pytestmark = pytest.mark.django_db

EARLIER = utc_now() - dt.timedelta(hours=1)
DATA = {"completedAt": "2026-03-02T17:00:00Z", "certificateNumber": "C-1", "progress": 60}


def told(step: EnrollmentStep, kind: str = "course.completed", **about: Any) -> PartnerEvent:
    """Return an unhandled event of a step's partner."""
    return PartnerEvent.objects.create(
        provider=about.get("provider", step.provider),
        event_id=f"msg-{PartnerEvent.objects.count()}",
        type=kind,
        external_enrollment_id=about.get("name", f"their-{step.pk}"),
        payload=about.get("payload", DATA),
        received_at=EARLIER,
        next_attempt_at=EARLIER,
    )


def taught(**more: Any) -> EnrollmentStep:
    """Return the first step of a learner, whom its partner has accepted."""
    return accept(steps_of(approved(now=EARLIER, **more))[0], now=EARLIER)


def in_the_middle() -> None:
    told(taught(steps=3))


def of_the_last_step() -> None:
    told(taught(steps=1))


def of_enough_steps() -> None:
    told(taught(instance=instance_with((3, GroupRule.AT_LEAST, 1), (1, GroupRule.ALL_IN_ORDER))))


def of_a_partner_that_is_late() -> None:
    step = taught()
    EnrollmentStep.objects.filter(pk=step.pk).update(breached_at=EARLIER)
    told(step)


def of_progress() -> None:
    told(taught(), "progress.updated")


def of_less_progress() -> None:
    step = taught()
    EnrollmentStep.objects.filter(pk=step.pk).update(progress=80)
    told(step, "course.progress")


def of_a_certificate() -> None:
    told(taught(), "certificate.issued")


def of_everything_about_one_learner() -> None:
    step = taught(steps=1)
    for kind in ("course.progress", "course.completed", "course.completed", "certificate.issued", "progress.updated"):
        told(step, kind)


def that_changes_nothing() -> None:
    told(taught(), "enrollment.created")
    told(taught(), "learner.smiled")


def before_the_acceptance() -> None:
    told(steps_of(approved(now=EARLIER))[0])


def of_a_later_step_that_the_partner_has_taken() -> None:
    later = steps_of(approved(now=EARLIER))[1]
    EnrollmentStep.objects.filter(pk=later.pk).update(external_enrollment_id=f"their-{later.pk}")
    told(later)


def about_nobody() -> None:
    told(taught(), name="nobody")
    told(taught(), "learner.smiled", name="nobody")


def of_another_partner() -> None:
    step = taught()
    told(step, provider=ProviderFactory(workspace=step.enrollment.workspace))


def after_skipping() -> None:
    step = taught()
    skip_step(step_id=step.pk, reason="Knows it already", actor=STAFF, now=EARLIER)
    told(step)


def after_leaving() -> None:
    step = taught()
    unenroll_enrollment(enrollment_id=step.enrollment_id, actor=STAFF, reason="Moved away", now=EARLIER)
    told(step)


def that_staff_took_back() -> None:
    step = taught()
    complete(step, now=EARLIER)
    reopen_step(step_id=step.pk, reason="By mistake", actor=STAFF, now=EARLIER)
    told(step)


KINDS: list[Callable[[], None]] = [
    in_the_middle,
    of_the_last_step,
    of_enough_steps,
    of_a_partner_that_is_late,
    of_progress,
    of_less_progress,
    of_a_certificate,
    of_everything_about_one_learner,
    that_changes_nothing,
    before_the_acceptance,
    of_a_later_step_that_the_partner_has_taken,
    about_nobody,
    of_another_partner,
    after_skipping,
    after_leaving,
    that_staff_took_back,
]
# What differs between two equal rows: generated names, and when to look again at an event that waits.
_MADE_UP = {"id", "cuid", "serial", "next_attempt_at"}
_OF_MAIL = {"params", "created_at"}  # the certificate's key, and the moment of the clock
_NAMES = re.compile(r"certificate:[\w-]+|\b[A-Z0-9]{5}(?:-[A-Z0-9]{5}){3}\b")


def everything() -> list[str]:
    """Return all rows of all tables, as text."""
    return sorted(
        _NAMES.sub("a name", f"{model.__name__} {[pair for pair in row.items() if pair[0] not in left_out]}")
        for model in apps.get_models()
        for left_out in [_MADE_UP | _OF_MAIL if model is Notification else _MADE_UP]
        for row in model._default_manager.values()
    )


def handled_by(handle: Callable[[], object]) -> list[str]:
    """Return everything there is after that, which is then rolled back."""
    with transaction.atomic():
        handle()
        found = everything()
        transaction.set_rollback(True)
    return found


class TestABatch:
    def test_leaves_what_each_event_by_itself_leaves(self) -> None:
        now = utc_now()
        for make in KINDS:
            make()
        events = list(PartnerEvent.objects.order_by("pk"))
        before = everything()

        alone = handled_by(lambda: [handle_event(event_id=event.pk, now=now) for event in events])
        together = handled_by(lambda: handle_due_events(now=now))

        assert together == alone
        assert len(set(alone) - set(before)) > 3 * len(KINDS)

    def test_is_decided_in_few_statements(self) -> None:
        for _ in range(3):
            in_the_middle()
        with CaptureQueriesContext(connection) as few:
            handle_due_events(now=utc_now())
        for _ in range(9):
            in_the_middle()

        with CaptureQueriesContext(connection) as more:
            assert handle_due_events(now=utc_now()) == 9

        assert len(more) == len(few)

    def test_brings_few_to_their_end_in_one_transaction(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(inbox, "ENDS_AT_ONCE", 2)
        for _ in range(5):
            of_the_last_step()
        in_the_middle()
        ends: list[int] = []
        write = Advance.write
        monkeypatch.setattr(Advance, "write", lambda advance: (ends.append(advance.ends), write(advance)))

        handle_due_events(now=utc_now())

        assert ends == [2, 2, 1]
        assert set(PartnerEvent.objects.values_list("outcome", flat=True)) == {"completed"}
        assert breaches() == set()

    def test_goes_on_without_the_one_that_fails(self, monkeypatch: pytest.MonkeyPatch) -> None:
        steps = [taught() for _ in range(5)]
        events = [told(step) for step in steps]
        complete = EFFECTS["course.completed"]
        monkeypatch.setitem(
            EFFECTS, "course.completed", lambda *given: 1 / 0 if given[1].pk == steps[2].pk else complete(*given)
        )

        handle_due_events(now=utc_now())

        done = [statuses(step.enrollment) == ["completed", "queued"] for step in steps]
        assert done == [True, True, False, True, True]
        failed = PartnerEvent.objects.get(handled_at=None)
        assert (failed.pk, failed.attempts) == (events[2].pk, 1)
        assert failed.last_error == "ZeroDivisionError: division by zero"
        assert breaches() == set()
