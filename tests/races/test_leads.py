"""A lead's enrollment is approved at the moment when the lead enrolls again."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from accounts.leads import lock_lead
from accounts.models import Lead
from accounts.tests.factories import LeadFactory
from core.clock import utc_now
from enrollments import identification, lifecycle
from enrollments.details import EnrollmentDetails
from enrollments.identification import ByEarlierEnrollment, create_enrollment
from enrollments.lifecycle import approve_enrollment, evaluate_enrollment, reject_enrollment, submit_enrollment
from enrollments.locks import lock_enrollment, lock_enrollment_with_seat
from enrollments.models import Enrollment
from enrollments.states import ReviewMode
from enrollments.tests.factories import STAFF, CandidateFactory, InstanceFactory
from operations.doctor import examine
from tests.lock_order import recorded_locks
from tests.processes import BOTH_COME, KEPT_OUT, Failure, Meeting, at_once

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

DEADLOCK = "deadlock detected"


def submitted() -> Enrollment:
    """Create a lead's enrollment that waits for a reviewer."""
    instance = InstanceFactory(price=None, review_mode=ReviewMode.MANUAL)
    lead = LeadFactory(workspace=instance.workspace)
    candidate = CandidateFactory(instance=instance, workspace=instance.workspace, learner=None, lead=lead)
    evaluate_enrollment(enrollment_id=candidate.pk, actor=STAFF, now=utc_now())
    return submit_enrollment(enrollment_id=candidate.pk, actor=STAFF, now=utc_now())


def approve(enrollment: Enrollment) -> str:
    return str(approve_enrollment(enrollment_id=enrollment.pk, actor=STAFF, now=utc_now()).eligibility_status)


def enroll_again(enrollment: Enrollment) -> str:
    again = create_enrollment(
        workspace_id=enrollment.workspace_id,
        instance_id=enrollment.instance_id,
        identification=ByEarlierEnrollment(enrollment.cuid),
        details=EnrollmentDetails(),
        actor=STAFF,
        now=utc_now(),
    )
    return str(again.eligibility_status)


class TestALeadThatEnrollsAgainDuringItsApproval:
    def test_waits_for_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        enrollment = submitted()

        approved, again = self.meet(monkeypatch, enrollment, patience=KEPT_OUT)

        assert approved == "approved"
        assert again.kind in ("Unavailable", "AlreadyEnrolled")  # by whether it has looked before or after
        assert [each.pk for each in Enrollment.objects.current()] == [enrollment.pk]
        assert Lead.objects.get().converted_to is not None
        assert examine() == {}

    def test_that_locked_the_lead_first_would_deadlock(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: it waits for the enrollment, and the approval for the lead. If the approval is what PostgreSQL ends,
        the enrollment that stays refuses the other request.
        """
        enrollment = submitted()
        looks = iter([lambda pk: Enrollment.objects.get(pk=pk), lock_enrollment])
        monkeypatch.setattr(identification, "lock_enrollment", lambda pk: next(looks)(pk))

        answers = self.meet(monkeypatch, enrollment, patience=BOTH_COME)

        assert [DEADLOCK in answer.message for answer in answers if isinstance(answer, Failure)].count(True) == 1

    def meet(self, monkeypatch: pytest.MonkeyPatch, enrollment: Enrollment, *, patience: float) -> list[Any]:
        """The approval continues once it has locked the enrollment, the other request once it has locked the lead."""
        meeting = Meeting(lambda answer: answer, patience=patience)
        monkeypatch.setattr(lifecycle, "lock_enrollment_with_seat", lambda pk: meeting(lock_enrollment_with_seat(pk)))
        monkeypatch.setattr(identification, "lock_lead", lambda pk: meeting(lock_lead(pk)))
        return at_once(partial(approve, enrollment), partial(enroll_again, enrollment))


class TestALeadsEnrollment:
    """Both requests alone, in which the recorder compares what each locks with the written order."""

    def test_is_locked_before_the_lead_by_whoever_approves_it(self) -> None:
        enrollment = submitted()

        assert locked_by(lambda: approve(enrollment)) == ["enrollment", "lead"]

    def test_is_locked_before_the_lead_by_whoever_renews_it(self) -> None:
        enrollment = submitted()
        reject_enrollment(enrollment_id=enrollment.pk, actor=STAFF, reason="Too young", now=utc_now())

        assert locked_by(lambda: enroll_again(enrollment)) == ["enrollment", "lead"]
        enrollment.refresh_from_db()
        assert enrollment.participation_status == "withdrawn"


def locked_by(act: Callable[[], object]) -> list[str]:
    with recorded_locks() as recorder:
        act()
    (names,) = recorder.transactions
    return [name for name in names if name in ("enrollment", "lead")]
