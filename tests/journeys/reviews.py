"""A workspace of its own in which five learners wait for a reviewer, and what its desk decides."""

from typing import Any

from accounts.states import Role
from accounts.tests.factories import LearnerFactory, MembershipFactory, StaffFactory, WorkspaceFactory
from core.clock import utc_now
from enrollments.lifecycle import evaluate_enrollment, submit_enrollment
from enrollments.models import Enrollment, ReviewReason
from enrollments.review.held import carry_out_due_reviews
from enrollments.review.inquiries import ask_family
from enrollments.review.links import answer_url
from enrollments.states import ReviewMode
from enrollments.tests.factories import STAFF, CandidateFactory, InstanceFactory
from tests.sweeps import SOON

PASSWORD = "a-desk-with-a-view"
NAMES = ("Ada", "Ben", "Cleo", "Dan", "Eve")


def build() -> dict[str, str]:
    """Create them; return the reviewer's address and password."""
    workspace = WorkspaceFactory(slug="millpond", name="Millpond School")
    instance = InstanceFactory(workspace=workspace, name="Summer camp", review_mode=ReviewMode.MANUAL)
    ReviewReason.objects.create(workspace=workspace, text="All places are taken.")
    for number, first_name in enumerate(NAMES):
        learner = LearnerFactory(
            workspace=workspace, first_name=first_name, last_name="Lake", grade_level=str(number + 3)
        )
        candidate = CandidateFactory(workspace=workspace, instance=instance, learner=learner)
        evaluate_enrollment(enrollment_id=candidate.pk, actor=STAFF, now=utc_now())
        submit_enrollment(enrollment_id=candidate.pk, actor=STAFF, now=utc_now())
    reviewer = StaffFactory(email="reviewer@millpond.test")
    reviewer.set_password(PASSWORD)
    reviewer.save()
    MembershipFactory(workspace=workspace, user=reviewer, role=Role.REVIEWER)
    return {"staff": reviewer.email, "password": PASSWORD}


def ask() -> str:
    """Ask somebody in another workspace a question; return the address of the page where they answer."""
    candidate = CandidateFactory(instance__review_mode=ReviewMode.MANUAL)
    evaluate_enrollment(enrollment_id=candidate.pk, actor=STAFF, now=utc_now())
    submit_enrollment(enrollment_id=candidate.pk, actor=STAFF, now=utc_now())
    asked = ask_family(enrollment_id=candidate.pk, question="Which grade?", actor=STAFF, now=utc_now())
    return answer_url(asked.pk)


def sweep() -> dict[str, Any]:
    """Carry out what is held; return the state of each learner."""
    carry_out_due_reviews(now=utc_now() + SOON)
    waiting = Enrollment.objects.filter(workspace__slug="millpond").order_by("pk")
    return dict(waiting.values_list("learner__first_name", "eligibility_status"))
