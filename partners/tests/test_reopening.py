"""Taking back that a step counts as done: the effects on the learner, the partner, and the certificate."""

import datetime as dt
from typing import Any

import pytest

from core.clock import utc_now
from core.errors import Invalid, TransitionNotAllowed
from enrollments.errors import AlreadyEnrolled
from enrollments.lifecycle import unenroll_enrollment
from enrollments.models import Enrollment
from enrollments.tests.factories import STAFF, CandidateFactory
from events.models import OutboxEvent
from partners.errors import StepNotReopenable
from partners.inbox import handle_event, store_found
from partners.interventions import complete_step_by_evidence, reopen_step, skip_step
from partners.models import EnrollmentStep, PartnerEvent
from partners.states import GroupRule

from .breaches import breaches
from .factories import accept, approved, complete, instance_with, statuses, steps_of

pytestmark = pytest.mark.django_db

MINUTE = dt.timedelta(minutes=1)


def reopen(step: EnrollmentStep, *, now: dt.datetime | None = None) -> EnrollmentStep:
    return reopen_step(step_id=step.pk, reason="Another learner's exam", actor=STAFF, now=now or utc_now())


def finished(*, steps: int = 1) -> Enrollment:
    """Return a learner who has completed every partner, and has the certificate."""
    enrollment = approved(steps=steps)
    for order in range(steps):
        complete(accept(steps_of(enrollment)[order]))
    return enrollment


def participation(enrollment: Enrollment) -> str:
    return str(Enrollment.objects.get(pk=enrollment.pk).participation_status)


class TestReopening:
    def test_lets_the_learner_go_on_at_the_partner_that_has_them(self) -> None:
        enrollment = approved(steps=2)
        step = complete(accept(steps_of(enrollment)[0]))

        reopened = reopen(step)

        assert (reopened.pk, reopened.status, reopened.progress, reopened.completed_at) == (
            step.pk,
            "in_progress",
            0,
            None,
        )
        transition = step.transitions.get(from_status="completed")
        assert (transition.reason, transition.actor) == ("Another learner's exam", "user:1")
        assert OutboxEvent.objects.filter(type="partner.step_reopened").count() == 1
        assert OutboxEvent.objects.filter(type="partner.step_started").count() == 1

    def test_takes_nothing_from_a_later_step_that_has_begun(self) -> None:
        enrollment = approved(steps=3)
        first = complete(accept(steps_of(enrollment)[0]))
        accept(steps_of(enrollment)[1])

        reopen(first)

        assert statuses(enrollment) == ["in_progress", "in_progress", "pending"]
        assert breaches() == set()
        complete(steps_of(enrollment)[1])
        assert statuses(enrollment) == ["in_progress", "completed", "pending"]  # the third waits for the first
        complete(first)
        assert statuses(enrollment) == ["completed", "completed", "queued"]
        assert breaches() == set()

    @pytest.mark.parametrize("kind", ["skipped", "completed by evidence"])
    def test_asks_anew_where_the_partner_does_not_have_the_learner(self, kind: str) -> None:
        enrollment = approved(steps=2)
        step = steps_of(enrollment)[0]
        why: dict[str, Any] = {"step_id": step.pk, "reason": "Done elsewhere", "actor": STAFF, "now": utc_now()}
        if kind == "skipped":
            skip_step(**why)
        else:
            complete_step_by_evidence(evidence="Certificate 12", **why)

        placed = reopen(step)

        assert (placed.pk == step.pk, placed.status) == (False, "queued")
        assert statuses(enrollment) == ["queued", "queued"]
        old = EnrollmentStep.objects.get(pk=step.pk)
        assert (old.status, old.retired_at is not None, old.completed_at) == ("withdrawn", True, None)
        assert old.transitions.get(to_status="withdrawn").reason == "Another learner's exam"
        assert breaches() == set()

    @pytest.mark.sqlite
    def test_ends_the_certificate_and_the_next_completion_earns_another(self) -> None:
        enrollment = finished()
        [first] = enrollment.certificates.all()

        step = reopen(steps_of(enrollment)[0])

        first.refresh_from_db()
        assert (first.revocation, participation(enrollment)) == ("not_earned", "active")
        assert breaches() == set()
        complete(step)
        assert participation(enrollment) == "completed"
        assert enrollment.certificates.filter(revoked_at=None).exclude(pk=first.pk).count() == 1
        assert breaches() == set()

    def test_of_the_one_that_was_enough_makes_the_learner_active_again(self) -> None:
        enrollment = approved(instance_with((3, GroupRule.AT_LEAST, 1)))
        first, second, _ = steps_of(enrollment)
        accept(first)
        complete(accept(second))
        assert statuses(enrollment) == ["withdrawn", "completed", "withdrawn"]

        reopen(second)

        assert statuses(enrollment) == ["withdrawn", "in_progress", "withdrawn"]
        assert participation(enrollment) == "active"
        assert breaches() == set()

    def test_of_what_nobody_needs_leaves_the_program_completed(self) -> None:
        enrollment = approved(instance_with((2, GroupRule.AT_LEAST, 1), (1, GroupRule.ALL_IN_ORDER)))
        first, second, _ = steps_of(enrollment)
        accept(second)
        complete(accept(first))
        complete(second)
        complete(accept(steps_of(enrollment)[2]))
        assert participation(enrollment) == "completed"

        reopen(second)

        assert statuses(enrollment) == ["completed", "withdrawn", "completed"]
        assert participation(enrollment) == "completed"
        assert enrollment.certificates.filter(revoked_at=None).count() == 1
        assert breaches() == set()


class TestWhatThePartnerToldBefore:
    """Reports of a completion that staff no longer accept."""

    def hear(self, step: EnrollmentStep, *, completed_at: str, received: dt.datetime) -> PartnerEvent:
        event = store_found(
            step=step,
            kind="course.completed",
            message_id=f"msg-{completed_at}-{received}",
            data={"completedAt": completed_at},
            now=received,
        )
        return handle_event(event_id=event.pk, now=received)

    @pytest.mark.parametrize("completed_at", ["2026-03-01T12:00:00Z", "2026-03-01T12:00:00"])
    def test_counts_no_more_when_it_is_told_again(self, completed_at: str) -> None:
        step = steps_of(finished())[0]
        now = utc_now()
        reopen(step, now=now)

        event = self.hear(step, completed_at=completed_at, received=now + MINUTE)

        assert event.outcome == "staff had the step done again after that"
        assert statuses(step.enrollment) == ["in_progress"]

    def test_counts_when_the_learner_has_finished_again(self) -> None:
        step = steps_of(finished())[0]
        now = utc_now()
        reopen(step, now=now)

        event = self.hear(step, completed_at="no time at all", received=now + MINUTE)

        assert event.outcome == "completed"
        assert statuses(step.enrollment) == ["completed"]

    @pytest.mark.parametrize(
        ("kind", "data", "is_news"),
        [
            ("progress.updated", {"progress": 80}, "progress is 80 percent"),
            ("certificate.issued", {"certificateId": "C-1"}, "certificate kept"),
        ],
    )
    @pytest.mark.parametrize("after", [dt.timedelta(), MINUTE])
    def test_and_waited_to_be_handled_while_staff_took_it_back_is_no_news(
        self, kind: str, data: dict[str, Any], is_news: str, after: dt.timedelta
    ) -> None:
        step = steps_of(finished())[0]
        now = utc_now()
        before = EnrollmentStep.objects.get(pk=step.pk).certificate
        event = store_found(step=step, kind=kind, message_id="msg-1", data=data, now=now + after)
        reopen(step, now=now)

        handled = handle_event(event_id=event.pk, now=now + 2 * MINUTE)

        step.refresh_from_db()
        if after:
            assert handled.outcome == is_news
        else:
            assert handled.outcome == "staff had the step done again after that"
            assert (step.progress, step.certificate) == (0, before)


class TestReopeningThatIsRefused:
    def test_is_that_of_a_step_that_is_not_done(self) -> None:
        enrollment = approved(steps=2)

        with pytest.raises(TransitionNotAllowed):
            reopen(steps_of(enrollment)[0])

        assert statuses(enrollment) == ["queued", "pending"]

    def test_is_that_without_a_reason(self) -> None:
        step = steps_of(finished())[0]

        with pytest.raises(Invalid) as refused:
            reopen_step(step_id=step.pk, reason=" ", actor=STAFF, now=utc_now())

        assert [fault.field for fault in refused.value.errors] == ["reason"]
        assert statuses(step.enrollment) == ["completed"]

    def test_is_that_of_a_learner_who_left(self) -> None:
        enrollment = approved(steps=2)
        step = complete(accept(steps_of(enrollment)[0]))
        unenroll_enrollment(enrollment_id=enrollment.pk, actor=STAFF, reason="Moved away", now=utc_now())

        with pytest.raises(StepNotReopenable):
            reopen(step)

        assert statuses(enrollment) == ["completed", "withdrawn"]

    def test_is_that_of_a_step_that_another_one_stands_for(self) -> None:
        enrollment = approved(steps=2)
        step = steps_of(enrollment)[0]
        skip_step(step_id=step.pk, reason="Knows it", actor=STAFF, now=utc_now())
        reopen(step)

        with pytest.raises(StepNotReopenable):
            reopen(step)

        assert statuses(enrollment) == ["queued", "queued"]

    @pytest.mark.sqlite
    def test_is_that_of_a_learner_who_has_enrolled_again(self) -> None:
        enrollment = finished()
        enrollment.refresh_from_db()
        CandidateFactory(instance=enrollment.instance, workspace=enrollment.workspace, learner=enrollment.learner)

        with pytest.raises(AlreadyEnrolled):
            reopen(steps_of(enrollment)[0])

        assert (statuses(enrollment), participation(enrollment)) == (["completed"], "completed")
        assert enrollment.certificates.filter(revoked_at=None).count() == 1
