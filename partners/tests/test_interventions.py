"""What staff can do about a single step."""

from typing import Any

import pytest

from core.actors import SYSTEM
from core.clock import utc_now
from core.errors import Invalid, TransitionNotAllowed
from enrollments.models import Enrollment
from enrollments.tests.factories import STAFF
from partners.acceptance import record_refusal
from partners.interventions import complete_step_by_evidence, retry_step, skip_step
from partners.models import EnrollmentStep

from .breaches import breaches
from .factories import accept, approved, complete, statuses, steps_of

pytestmark = pytest.mark.django_db


def skip(step: EnrollmentStep, reason: str = "Knows it already") -> EnrollmentStep:
    return skip_step(step_id=step.pk, reason=reason, actor=STAFF, now=utc_now())


def failed(enrollment: Enrollment) -> EnrollmentStep:
    step = steps_of(enrollment)[0]
    return record_refusal(step_id=step.pk, reason="No such course", actor=SYSTEM, now=utc_now())


class TestSkipping:
    def test_counts_as_done_and_advances(self) -> None:
        enrollment = approved()

        skip(steps_of(enrollment)[0])

        assert statuses(enrollment) == ["skipped", "queued"]
        transition = steps_of(enrollment)[0].transitions.get(to_status="skipped")
        assert (transition.reason, transition.actor) == ("Knows it already", "user:1")
        assert breaches() == set()

    def test_is_possible_before_its_turn(self) -> None:
        enrollment = approved(steps=2)

        skip(steps_of(enrollment)[1])
        complete(accept(steps_of(enrollment)[0]))

        assert statuses(enrollment) == ["completed", "skipped"]
        assert Enrollment.objects.get().participation_status == "completed"
        assert breaches() == set()

    def test_ends_a_failure(self) -> None:
        enrollment = approved()

        skip(failed(enrollment))

        assert statuses(enrollment) == ["skipped", "queued"]

    def test_of_what_is_over_is_refused(self) -> None:
        enrollment = approved()
        done = complete(accept(steps_of(enrollment)[0]))

        with pytest.raises(TransitionNotAllowed):
            skip(done)

        assert statuses(enrollment) == ["completed", "queued"]

    def test_takes_a_reason(self) -> None:
        enrollment = approved()

        with pytest.raises(Invalid) as refused:
            skip(steps_of(enrollment)[0], reason=" ")

        assert [fault.field for fault in refused.value.errors] == ["reason"]
        assert statuses(enrollment) == ["queued", "pending"]


class TestCompletingByEvidence:
    def test_completes_what_the_partner_never_told_of(self) -> None:
        enrollment = approved()
        step = accept(steps_of(enrollment)[0])

        complete_step_by_evidence(
            step_id=step.pk, evidence="Certificate 12", reason="Their system is down", actor=STAFF, now=utc_now()
        )

        assert statuses(enrollment) == ["completed", "queued"]
        assert steps_of(enrollment)[0].evidence == "Certificate 12"
        assert step.transitions.get(to_status="completed").reason == "Their system is down"

    @pytest.mark.parametrize("field", ["evidence", "reason"])
    def test_takes_a_reason_and_the_evidence(self, field: str) -> None:
        enrollment = approved()
        given: dict[str, Any] = {"evidence": "Certificate 12", "reason": "Their system is down"} | {field: ""}

        with pytest.raises(Invalid) as refused:
            complete_step_by_evidence(step_id=steps_of(enrollment)[0].pk, actor=STAFF, now=utc_now(), **given)

        assert [fault.field for fault in refused.value.errors] == [field]
        assert statuses(enrollment) == ["queued", "pending"]


class TestRetrying:
    def test_queues_a_failed_step_again(self) -> None:
        enrollment = approved()

        retry_step(step_id=failed(enrollment).pk, reason="The course exists now", actor=STAFF, now=utc_now())

        assert statuses(enrollment) == ["queued", "pending"]
        assert breaches() == set()

    def test_of_a_step_that_has_not_failed_is_refused(self) -> None:
        enrollment = approved()

        with pytest.raises(TransitionNotAllowed):
            retry_step(step_id=steps_of(enrollment)[0].pk, reason="Why not", actor=STAFF, now=utc_now())

        assert statuses(enrollment) == ["queued", "pending"]
