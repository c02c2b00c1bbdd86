"""A small demo for a day in the back office, with fifty more learners who wait for a reviewer."""

import dataclasses
from typing import Any

from accounts.models import Workspace
from accounts.tests.factories import LearnerFactory
from billing.models import Payment, Refund
from billing.states import PaymentMethod
from core.actors import SYSTEM
from core.clock import utc_now
from demo.catalog import ORGANIZATIONS, PASSWORD
from demo.load import load_organization
from enrollments.lifecycle import evaluate_enrollment, submit_enrollment
from enrollments.models import Enrollment, ReviewReason
from enrollments.review.held import carry_out_due_reviews
from enrollments.states import REVIEWED, ReviewMode
from enrollments.tests.factories import STAFF, CandidateFactory, InstanceFactory
from partners.acceptance import record_refusal
from partners.models import EnrollmentStep
from partners.states import PartnerStepStatus
from tests.sweeps import SOON

WAITING = 50


def build() -> dict[str, Any]:
    """Create them; return who signs in, and what the day is about."""
    workspace = load_organization(dataclasses.replace(ORGANIZATIONS[0], families=9))
    instance = InstanceFactory(workspace=workspace, name="Winter camp", is_default=False, review_mode=ReviewMode.MANUAL)
    ReviewReason.objects.get_or_create(workspace=workspace, text="All places are taken.")
    for number in range(WAITING):
        learner = LearnerFactory(workspace=workspace, first_name=f"Kid{number}", last_name="Daybreak")
        candidate = CandidateFactory(workspace=workspace, instance=instance, learner=learner)
        evaluate_enrollment(enrollment_id=candidate.pk, actor=STAFF, now=utc_now())
        submit_enrollment(enrollment_id=candidate.pk, actor=STAFF, now=utc_now())
    paid = Payment.objects.filter(workspace=workspace, method=PaymentMethod.STRIPE, refunded_minor=0, status="paid")
    return {
        "staff": "owner@demo.test",
        "password": PASSWORD,
        "instance": instance.pk,
        "payment": paid.order_by("-pk").values_list("pk", flat=True)[0],
        "step": _failed_step(workspace),
    }


def outcomes() -> dict[str, int]:
    """Return the states of the fifty once held answers were carried out, and the refunds that staff requested."""
    carry_out_due_reviews(limit=WAITING, now=utc_now() + SOON)
    fifty = Enrollment.objects.filter(learner__last_name="Daybreak")
    found = {status.value: fifty.filter(eligibility_status=status).count() for status in REVIEWED}
    return found | {"refunds by staff": Refund.objects.filter(note="By the rule.").count()}


def _failed_step(workspace: Workspace) -> int:
    steps = EnrollmentStep.objects.current().filter(enrollment__workspace=workspace)
    failed = steps.failed().first()
    if failed is not None:
        return failed.pk
    queued = steps.filter(status=PartnerStepStatus.QUEUED).earliest("pk")
    return record_refusal(step_id=queued.pk, reason="No such course", actor=SYSTEM, now=utc_now()).pk
