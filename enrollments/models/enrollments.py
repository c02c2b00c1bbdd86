import datetime as dt

from django.db import models
from django.db.models.functions import Coalesce, Now
from django_fsm import ConcurrentTransitionMixin, FSMField, transition

from accounts.models import Lead, Learner, Workspace
from core.clock import utc_now
from core.errors import require
from core.ids import new_cuid
from core.local_time import is_not_over

from ..states import (
    ACCEPTED_ONCE,
    ENDED_ELIGIBILITY,
    ENDED_PARTICIPATION,
    FUNDED,
    GOING_ON,
    REFUSED,
    EligibilityStatus,
    EnrollmentPaymentStatus,
    Facet,
    IdentificationType,
    ParticipationStatus,
)
from .programs import ProgramInstance
from .refunds import RefundPolicy

_KEPT = models.Q(deleted_at__isnull=True)
_CURRENT = (
    ~models.Q(eligibility_status__in=ENDED_ELIGIBILITY)
    & ~models.Q(participation_status__in=ENDED_PARTICIPATION)
    & _KEPT
)

_ACCEPTED = models.Q(eligibility_status__in=ACCEPTED_ONCE)
_NO_MONEY = models.Q(payment_status=EnrollmentPaymentStatus.NOT_REQUIRED)


class EnrollmentQuerySet(models.QuerySet["Enrollment"]):
    def kept(self) -> "EnrollmentQuerySet":
        """Return those that were not deleted: everything that lists, pages, and queues show."""
        return self.filter(_KEPT)

    def current(self) -> "EnrollmentQuerySet":
        """Return those that have neither ended nor been deleted; a learner or lead has at most one in an instance."""
        return self.filter(_CURRENT)

    def binding(self) -> "EnrollmentQuerySet":
        """Return those that went beyond a candidacy: they were once accepted, wait for review, or were asked to pay."""
        in_review = _CURRENT & models.Q(eligibility_status=EligibilityStatus.SUBMITTED)
        return self.filter(_ACCEPTED | in_review | ~_NO_MONEY)

    def came_to_nothing(self) -> "EnrollmentQuerySet":
        """Return those that ended without ever having been accepted or asked to pay."""
        withdrawn = models.Q(participation_status=ParticipationStatus.WITHDRAWN)
        is_over = models.Q(eligibility_status__in=REFUSED) | withdrawn | ~_KEPT
        return self.filter(~_ACCEPTED, _NO_MONEY, is_over)

    def ending(self) -> "EnrollmentQuerySet":
        """Return those that are active and have an end, `ends_on`: their instance's last day, or else their own."""
        active = self.kept().filter(participation_status=ParticipationStatus.ACTIVE)
        return active.annotate(ends_on=Coalesce("instance__end_date", "end_date")).filter(ends_on__isnull=False)

    def due_to_expire(self, *, now: dt.datetime) -> "EnrollmentQuerySet":
        """Return those that are active and past their end: `ends_on` is over in their workspace's time zone."""
        return self.ending().filter(~is_not_over(now=now, date="ends_on", zone="workspace__timezone"))


class Enrollment(ConcurrentTransitionMixin, models.Model):
    """One learner (or lead) in one program instance: the record that everything else refers to.

    Invariant: a learner or lead has at most one current enrollment in an instance; every change of a facet has its
    EnrollmentTransition, numbered without gaps up to `transition_count`. A deleted enrollment stays as a record.
    """

    cuid = models.CharField(max_length=32, unique=True, default=new_cuid, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="enrollments")
    instance = models.ForeignKey(ProgramInstance, on_delete=models.PROTECT, related_name="enrollments")
    learner = models.ForeignKey(Learner, null=True, blank=True, on_delete=models.PROTECT, related_name="enrollments")
    lead = models.ForeignKey(Lead, null=True, blank=True, on_delete=models.PROTECT, related_name="enrollments")
    identification_type = models.CharField(max_length=12, choices=IdentificationType.choices)
    eligibility_status = FSMField(
        max_length=10, choices=EligibilityStatus.choices, default=EligibilityStatus.CANDIDATE, protected=True
    )
    eligibility_reason = models.CharField(max_length=300, blank=True)
    criteria_version = models.PositiveIntegerField(default=0)  # of the last evaluation; 0 before the first
    participation_status = FSMField(
        max_length=11, choices=ParticipationStatus.choices, default=ParticipationStatus.NOT_STARTED, protected=True
    )
    payment_status = FSMField(
        max_length=18,
        choices=EnrollmentPaymentStatus.choices,
        default=EnrollmentPaymentStatus.NOT_REQUIRED,
        protected=True,
    )
    phone = models.CharField(max_length=32, blank=True, default="", db_default="")  # in E.164 format
    address = models.JSONField(default=dict, blank=True, db_default={})  # {} if none is known
    manufacturer_slugs = models.JSONField(default=list, blank=True, db_default=[])
    serial_number = models.CharField(max_length=200, blank=True, default="", db_default="")
    reference_id = models.CharField(max_length=200, blank=True, default="", db_default="")
    reference_description = models.CharField(max_length=500, blank=True, default="", db_default="")
    tags = models.JSONField(default=list, blank=True, db_default=[])
    metadata = models.JSONField(default=dict, blank=True)
    previous = models.ForeignKey(
        "self", null=True, blank=True, editable=False, on_delete=models.PROTECT, related_name="renewals"
    )
    # The policy in force when it was bought. Only refunds read it, so it has no index.
    refund_policy = models.ForeignKey(
        RefundPolicy, null=True, blank=True, editable=False, db_index=False, on_delete=models.PROTECT, related_name="+"
    )
    start_date = models.DateField(null=True, blank=True)
    end_date = models.DateField(null=True, blank=True)
    transition_count = models.PositiveIntegerField(default=0, editable=False)
    created_at = models.DateTimeField(default=utc_now, editable=False)
    updated_at = models.DateTimeField(default=utc_now, editable=False)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)
    # Since when a reviewer can decide: when it was submitted, or when its payment arrived, whichever came later.
    waiting_since = models.DateTimeField(default=utc_now, db_default=Now(), editable=False)

    objects = EnrollmentQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["learner", "instance"], condition=_CURRENT, name="enrollment_one_current"),
            models.UniqueConstraint(
                fields=["lead", "instance"], condition=_CURRENT, name="enrollment_one_current_of_lead"
            ),
            models.CheckConstraint(
                condition=models.Q(learner__isnull=False) | models.Q(lead__isnull=False),
                name="enrollment_about_somebody",
            ),
            models.CheckConstraint(
                condition=models.Q(eligibility_status__in=EligibilityStatus.values), name="enrollment_eligibility_known"
            ),
            models.CheckConstraint(
                condition=models.Q(participation_status__in=ParticipationStatus.values),
                name="enrollment_participation_known",
            ),
            models.CheckConstraint(
                condition=models.Q(payment_status__in=EnrollmentPaymentStatus.values), name="enrollment_payment_known"
            ),
        ]
        indexes = [
            models.Index(fields=["workspace", "eligibility_status", "-id"], name="enrollment_by_status"),
            models.Index(
                fields=["workspace", "waiting_since", "id"],
                condition=_KEPT & models.Q(eligibility_status=EligibilityStatus.SUBMITTED),
                name="enrollment_in_line",
            ),
            models.Index(
                fields=["instance", "id"],
                condition=_KEPT & models.Q(participation_status=ParticipationStatus.ACTIVE),
                name="enrollment_active",
            ),
            models.Index(fields=["instance", "-created_at", "-id"], condition=_KEPT, name="enrollment_newest"),
            models.Index(
                fields=["instance", "eligibility_status", "-created_at", "-id"],
                condition=_KEPT,
                name="enrollment_newest_by_status",
            ),
            models.Index(
                fields=["instance", "reference_id", "-created_at", "-id"],
                condition=_KEPT & ~models.Q(reference_id=""),
                name="enrollment_by_reference",
            ),
            models.Index(
                fields=["serial_number"], condition=~models.Q(serial_number=""), name="enrollment_by_serial_number"
            ),
        ]

    def __str__(self) -> str:
        return f"Enrollment {self.cuid}"

    @property
    def person(self) -> Learner | Lead:
        """Return the person: the learner, or the lead while there is no learner."""
        if self.learner is not None:
            return self.learner
        return require(self.lead, "an enrollment without a learner is about a lead")

    @property
    def first_day(self) -> dt.date | None:
        """Return when it starts: with its instance, or on its own date if the instance has no start."""
        return self.instance.start_date or self.start_date

    @property
    def last_day(self) -> dt.date | None:
        """Return when it ends, as `ending` finds it: with its instance, or on its own date if that has no end."""
        return self.instance.end_date or self.end_date

    @property
    def is_going_on(self) -> bool:
        """Return whether it waits for review or has been accepted, so that a seat or a payment has a purpose."""
        return self.eligibility_status in GOING_ON and self.deleted_at is None

    @property
    def is_current(self) -> bool:
        """Return whether it has neither ended nor been deleted."""
        ended = self.eligibility_status in ENDED_ELIGIBILITY or self.participation_status in ENDED_PARTICIPATION
        return not ended and self.deleted_at is None

    @property
    def is_funded(self) -> bool:
        """Return whether nothing is left to pay before the learner may take part."""
        return self.payment_status in FUNDED

    # --- eligibility ---------------------------------------------------------------------------------------------

    @transition(field=eligibility_status, source=EligibilityStatus.CANDIDATE, target=EligibilityStatus.ELIGIBLE)
    def mark_eligible(self) -> None:
        """The criteria are met."""

    @transition(
        field=eligibility_status,
        source=[EligibilityStatus.CANDIDATE, EligibilityStatus.ELIGIBLE],
        target=EligibilityStatus.INELIGIBLE,
    )
    def mark_ineligible(self) -> None:
        """The criteria are not met, or no longer met."""

    @transition(field=eligibility_status, source=EligibilityStatus.ELIGIBLE, target=EligibilityStatus.SUBMITTED)
    def submit(self) -> None:
        """Submit for review."""

    @transition(field=eligibility_status, source=EligibilityStatus.SUBMITTED, target=EligibilityStatus.APPROVED)
    def approve(self) -> None:
        """Accept the learner into the program."""

    @transition(field=eligibility_status, source=EligibilityStatus.SUBMITTED, target=EligibilityStatus.REJECTED)
    def reject(self) -> None:
        """Reject, with a reason."""

    @transition(field=eligibility_status, source=EligibilityStatus.APPROVED, target=EligibilityStatus.UNENROLLED)
    def unenroll(self) -> None:
        """Leave the program."""

    @transition(
        field=eligibility_status,
        source=[EligibilityStatus.INELIGIBLE, EligibilityStatus.REJECTED],
        target=EligibilityStatus.CANDIDATE,
    )
    def reconsider(self) -> None:
        """Start over; only after the criteria changed, which the use case checks under the lock."""

    # --- participation -------------------------------------------------------------------------------------------

    @transition(field=participation_status, source=ParticipationStatus.NOT_STARTED, target=ParticipationStatus.ACTIVE)
    def start(self) -> None:
        """The learner takes part from now on."""

    @transition(field=participation_status, source=ParticipationStatus.ACTIVE, target=ParticipationStatus.COMPLETED)
    def finish(self) -> None:
        """Everything is done, or the end date has passed."""

    @transition(field=participation_status, source=ParticipationStatus.COMPLETED, target=ParticipationStatus.ACTIVE)
    def resume(self) -> None:
        """What completed it was taken back."""

    @transition(
        field=participation_status,
        source=[ParticipationStatus.NOT_STARTED, ParticipationStatus.ACTIVE],
        target=ParticipationStatus.WITHDRAWN,
    )
    def withdraw(self) -> None:
        """The learner left."""

    # --- payment -------------------------------------------------------------------------------------------------

    @transition(
        field=payment_status,
        source=[EnrollmentPaymentStatus.NOT_REQUIRED, EnrollmentPaymentStatus.FAILED],
        target=EnrollmentPaymentStatus.PENDING,
    )
    def await_payment(self) -> None:
        """A parent is asked to pay."""

    @transition(
        field=payment_status,
        source=[EnrollmentPaymentStatus.PENDING, EnrollmentPaymentStatus.FAILED],
        target=EnrollmentPaymentStatus.NOT_REQUIRED,
    )
    def waive_payment(self) -> None:
        """A district seat replaced a payment that never came, or that the bank declined."""

    @transition(field=payment_status, source=EnrollmentPaymentStatus.PENDING, target=EnrollmentPaymentStatus.PAID)
    def mark_paid(self) -> None:
        """The whole amount has been paid."""

    @transition(field=payment_status, source=EnrollmentPaymentStatus.PAID, target=EnrollmentPaymentStatus.PENDING)
    def mark_unpaid(self) -> None:
        """What was recorded as paid outside of Stripe never came."""

    @transition(field=payment_status, source=EnrollmentPaymentStatus.PENDING, target=EnrollmentPaymentStatus.FAILED)
    def mark_payment_failed(self) -> None:
        """The bank declined."""

    @transition(
        field=payment_status, source=EnrollmentPaymentStatus.PAID, target=EnrollmentPaymentStatus.PARTIALLY_REFUNDED
    )
    def mark_partially_refunded(self) -> None:
        """Some of the money was refunded; access stays."""

    @transition(
        field=payment_status, source=EnrollmentPaymentStatus.PARTIALLY_REFUNDED, target=EnrollmentPaymentStatus.PAID
    )
    def mark_paid_again(self) -> None:
        """Refunded money has come back; access had stayed."""

    @transition(
        field=payment_status,
        source=[EnrollmentPaymentStatus.PAID, EnrollmentPaymentStatus.PARTIALLY_REFUNDED],
        target=EnrollmentPaymentStatus.REFUNDED,
    )
    def mark_refunded(self) -> None:
        """All of the money was refunded."""


class EnrollmentTransition(models.Model):
    """One change of one facet. Append-only; `number` counts 1, 2, 3 … within the enrollment.

    An enrollment starts as candidate, not started, payment not required: the first row of a facet starts from there.
    """

    enrollment = models.ForeignKey(Enrollment, on_delete=models.PROTECT, related_name="transitions")
    number = models.PositiveIntegerField()
    facet = models.CharField(max_length=13, choices=Facet.choices)
    from_status = models.CharField(max_length=18)
    to_status = models.CharField(max_length=18)
    reason = models.CharField(max_length=300, blank=True)  # if it is an end, the family reads it
    note = models.CharField(max_length=300, blank=True, default="", db_default="")  # for colleagues only
    actor = models.CharField(max_length=64)
    request_id = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(editable=False)

    class Meta:
        verbose_name_plural = "history"
        constraints = [
            models.UniqueConstraint(fields=["enrollment", "number"], name="transition_number_unique"),
            models.CheckConstraint(condition=models.Q(facet__in=Facet.values), name="transition_facet_known"),
        ]

    def __str__(self) -> str:
        return f"{self.facet}: {self.from_status} to {self.to_status}"
