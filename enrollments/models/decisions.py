from django.db import models
from django_fsm import FSMField, transition

from accounts.models import Guardian, Learner, Workspace
from billing.models import Checkout, Payment
from core.addresses import AddressField
from core.clock import utc_now

from ..states import LIVE_DECISIONS, DecisionReason, DecisionStatus, ProvisionSource
from .enrollments import Enrollment
from .programs import ProgramInstance
from .seats import District, SeatAssignment


class EnrollmentDecision(models.Model):
    """One routing decision: what was asked, what was decided and by which rules.

    Invariant: at most one live decision per enrollment, so asking again finds it instead of taking a second seat.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="decisions")
    learner = models.ForeignKey(Learner, on_delete=models.PROTECT, related_name="decisions")
    enrollment = models.ForeignKey(Enrollment, on_delete=models.PROTECT, related_name="decisions")
    instance = models.ForeignKey(ProgramInstance, on_delete=models.PROTECT, related_name="decisions")
    guardian = models.ForeignKey(Guardian, null=True, on_delete=models.PROTECT, related_name="decisions")
    district = models.ForeignKey(District, null=True, on_delete=models.PROTECT, related_name="decisions")
    seat = models.ForeignKey(SeatAssignment, null=True, on_delete=models.PROTECT, related_name="decisions")
    checkout = models.ForeignKey(Checkout, null=True, on_delete=models.PROTECT, related_name="+")
    payment = models.ForeignKey(Payment, null=True, on_delete=models.PROTECT, related_name="+")  # what funds it
    tenant_id = models.BigIntegerField(null=True)  # as received, whether or not it named a district here
    learner_email = AddressField(max_length=254)
    learner_profile = models.JSONField()  # as received
    context = models.JSONField()  # as received
    provision_source = models.CharField(max_length=8, choices=ProvisionSource.choices, null=True)
    status = FSMField(max_length=17, choices=DecisionStatus.choices, protected=True)
    reason = models.CharField(max_length=22, choices=DecisionReason.choices)
    trace = models.JSONField(default=list)  # every rule that was evaluated, with its inputs and its answer
    message = models.CharField(max_length=300)
    actor = models.CharField(max_length=64)
    request_id = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(default=utc_now, editable=False)
    updated_at = models.DateTimeField(default=utc_now, editable=False)

    class Meta:
        verbose_name = "decision"
        constraints = [
            models.UniqueConstraint(
                fields=["enrollment"],
                condition=models.Q(status__in=LIVE_DECISIONS),
                name="decision_one_live_per_enrollment",
            ),
            models.CheckConstraint(condition=models.Q(status__in=DecisionStatus.values), name="decision_status_known"),
        ]
        indexes = [
            models.Index(fields=["workspace", "-id"], name="decision_newest"),
            models.Index(fields=["workspace", "tenant_id", "-id"], name="decision_by_tenant"),
            models.Index(fields=["workspace", "learner_email"], name="decision_by_email"),
            models.Index(
                fields=["workspace"], condition=models.Q(status=DecisionStatus.FAILED), name="decision_interrupted"
            ),
        ]

    def __str__(self) -> str:
        return f"Decision {self.pk} ({self.status})"

    @transition(
        field=status,
        source=[
            DecisionStatus.CHECKOUT_REQUIRED,
            DecisionStatus.EXPIRED,
            DecisionStatus.CANCELLED,
            DecisionStatus.FAILED,
        ],
        target=DecisionStatus.COMPLETED,
    )
    def complete(self) -> None:
        """The parent's money arrived."""

    @transition(field=status, source=DecisionStatus.CHECKOUT_REQUIRED, target=DecisionStatus.EXPIRED)
    def expire(self) -> None:
        """The checkout ended unpaid."""

    @transition(field=status, source=DecisionStatus.CHECKOUT_REQUIRED, target=DecisionStatus.CANCELLED)
    def cancel(self) -> None:
        """The checkout was ended on purpose."""

    @transition(field=status, source=DecisionStatus.CHECKOUT_REQUIRED, target=DecisionStatus.FAILED)
    def fail(self) -> None:
        """The payment provider was down, or the money did not arrive."""

    @transition(field=status, source=DecisionStatus.FAILED, target=DecisionStatus.CHECKOUT_REQUIRED)
    def retry(self) -> None:
        """The request was repeated after the payment provider was down."""

    @transition(field=status, source=DecisionStatus.COMPLETED, target=DecisionStatus.RELEASED)
    def release(self) -> None:
        """The seat or the money was given back."""
