"""Partners' messages about many learners at once, applied by several workers at the same time, or as staff decide."""

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial

import pytest

from core import retries
from core.clock import utc_now
from enrollments.tests.factories import STAFF, InstanceFactory
from events.models import OutboxEvent
from operations.doctor import examine
from partners import inbox
from partners.inbox import handle_due_events
from partners.interventions import skip_step
from partners.models import EnrollmentStep, PartnerEvent, StepTransition
from partners.tests.factories import accept, approved, define, group, statuses, steps_of
from tests.processes import Failure, Meeting, at_once

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

LEARNERS = 6
LATER = dt.timedelta(minutes=1)


def finished() -> list[EnrollmentStep]:
    """Create the first steps of this many learners, which their partner has reported as done."""
    instance = InstanceFactory(price=None)
    define(instance, group(instance, 2))
    steps = [accept(steps_of(approved(instance))[0]) for _ in range(LEARNERS)]
    for step in steps:
        PartnerEvent.objects.create(
            provider=step.provider,
            event_id=f"msg-{step.pk}",
            type="course.completed",
            external_enrollment_id=f"their-{step.pk}",
            next_attempt_at=utc_now(),
        )
    return steps


def handle() -> int:
    return handle_due_events(now=utc_now())


def handle_what_was_left() -> None:
    handle_due_events(now=utc_now() + LATER)


def completions() -> int:
    return StepTransition.objects.filter(to_status="completed").count()


def lock_nothing(step_ids: Sequence[int], *, wait: bool) -> Iterator[tuple[EnrollmentStep, list[EnrollmentStep]]]:
    for step in EnrollmentStep.objects.filter(pk__in=step_ids).select_related("enrollment"):
        steps = list(EnrollmentStep.objects.of(step.enrollment_id).select_related("enrollment"))
        yield next(each for each in steps if each.pk == step.pk), steps


class TestSweepsAtOnce:
    def test_apply_each_event_once(self) -> None:
        steps = finished()

        answers = at_once(*[handle] * 3)

        handle_what_was_left()
        assert [answer for answer in answers if isinstance(answer, Failure)] == []
        assert completions() == LEARNERS
        assert {tuple(statuses(step.enrollment)) for step in steps} == {("completed", "queued")}
        assert examine() == {}

    def test_without_the_claim_wait_for_nobody_and_still_apply_each_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: both claim the same events, and the locks of the enrollments decide."""
        steps = finished()
        take_all = Meeting(lambda rows, *, now, lease, limit: list(retries.due(rows, now=now)))
        monkeypatch.setattr(retries, "claim_batch", take_all)

        answers = at_once(handle, handle)

        assert answers == [LEARNERS, LEARNERS]
        assert completions() == len(steps)
        assert examine() == {}

    def test_without_any_lock_leave_it_to_the_conditional_save(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: both decide about the same steps. One saves; the other one's attempt fails and is retried."""
        finished()
        take_all = Meeting(lambda rows, *, now, lease, limit: list(retries.due(rows, now=now)))
        monkeypatch.setattr(retries, "claim_batch", take_all)
        monkeypatch.setattr(inbox, "lock_ways", Meeting(lambda *given, **how: list(lock_nothing(*given, **how))))
        monkeypatch.setattr(inbox, "_apply_what_can_be", inbox._apply)

        answers = at_once(handle, handle)

        assert Counter(type(answer) for answer in answers) == Counter({int: 1, Failure: 1})
        assert completions() == LEARNERS


class TestABatchAgainstSkipping:
    def test_has_one_winner_for_each_learner(self) -> None:
        steps = finished()
        skip = partial(skip_step, step_id=steps[2].pk, reason="Knows it already", actor=STAFF, now=utc_now())

        at_once(handle, lambda: str(skip().status))

        handle_what_was_left()
        assert {statuses(step.enrollment)[1] for step in steps} == {"queued"}
        assert OutboxEvent.objects.filter(type="partner.step_queued", payload__sequenceOrder=2).count() == LEARNERS
        assert PartnerEvent.objects.filter(handled_at=None).count() == 0
        assert examine() == {}
