import datetime as dt

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django_fsm import ConcurrentTransitionMixin, FSMField, transition

from core.clock import utc_now
from core.ids import new_cuid
from enrollments.models import Enrollment

from ..states import ACTIVE, DONE, LEFT, OPEN, OVER, Adapter, PartnerStepStatus
from .providers import Provider
from .sequences import SequenceItem
from .standing import is_stuck


def _partners_to_ask() -> models.QuerySet[Provider]:
    """Return partners with an API that are not paused. As keys instead of a join, so that a step can be claimed."""
    return Provider.objects.filter(adapter=Adapter.REST, paused_at=None)


class EnrollmentStepQuerySet(models.QuerySet["EnrollmentStep"]):
    def open(self) -> "EnrollmentStepQuerySet":
        """Return those that are not over."""
        return self.filter(status__in=OPEN)

    def current(self) -> "EnrollmentStepQuerySet":
        """Return those on the way of their enrollment: they have not been replaced."""
        return self.filter(retired_at=None)

    def active(self) -> "EnrollmentStepQuerySet":
        """Return those that have begun and are not over."""
        return self.filter(status__in=ACTIVE)

    def failed(self) -> "EnrollmentStepQuerySet":
        """Return those that wait for staff to act."""
        return self.filter(status=PartnerStepStatus.FAILED)

    def under_way(self) -> "EnrollmentStepQuerySet":
        """Return those that progress by themselves: they have begun and did not fail."""
        return self.active().exclude(status=PartnerStepStatus.FAILED)

    def to_enroll(self) -> "EnrollmentStepQuerySet":
        """Return those whose learner a partner with an API is to be asked to accept, unless it is paused."""
        queued = self.filter(status=PartnerStepStatus.QUEUED)
        return queued.filter(provider__in=_partners_to_ask())

    def stuck(self, now: dt.datetime) -> "EnrollmentStepQuerySet":
        """Return those that do not progress: see `is_stuck`."""
        return self.filter(is_stuck(now))

    def to_poll(self) -> "EnrollmentStepQuerySet":
        """Return those about which a partner with an API is to be polled when they are due, unless it is paused."""
        taught = self.filter(status=PartnerStepStatus.IN_PROGRESS, external_enrollment_id__isnull=False)
        return taught.filter(provider__in=_partners_to_ask())

    def to_end(self) -> "EnrollmentStepQuerySet":
        """Return those whose learner left a partner with an API that may have them, is not paused, and was not told."""
        return self.untold().filter(provider__in=_partners_to_ask())

    def untold(self) -> "EnrollmentStepQuerySet":
        """Return those whose learner left a partner that may have them and was not told yet."""
        left = self.filter(status__in=LEFT, ended_at=None, next_attempt_at__isnull=False)
        return left.filter(Q(external_enrollment_id__isnull=False) | Q(asked_at__isnull=False))

    def to_ask(self) -> "EnrollmentStepQuerySet":
        """Return all of these."""
        return self.to_enroll() | self.to_poll() | self.to_end()

    def of(self, enrollment_id: int) -> "EnrollmentStepQuerySet":
        """Return all steps on an enrollment's way with the rules of their groups, in order."""
        return self.filter(enrollment=enrollment_id).on_the_way()

    def on_the_way(self) -> "EnrollmentStepQuerySet":
        """Return the current ones with the rules of their groups, in the order of their enrollment's way."""
        return self.current().select_related("item__group", "provider").order_by("sequence_order")


class EnrollmentStep(ConcurrentTransitionMixin, models.Model):
    """An enrollment's progress with one partner.

    Invariants: one row per enrollment and item of its sequence; in progress only once the partner accepted; completed
    exactly while it has a completion time; `progress` never decreases; every status change has its StepTransition,
    numbered without gaps up to `change_count`. A retired step is over, and another one may replace it: it is no longer
    on the enrollment's way.
    """

    cuid = models.CharField(max_length=32, unique=True, default=new_cuid, editable=False)
    enrollment = models.ForeignKey(Enrollment, on_delete=models.PROTECT, related_name="partner_steps")
    item = models.ForeignKey(SequenceItem, on_delete=models.PROTECT, related_name="steps")
    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="steps")
    course_id = models.CharField(max_length=255, blank=True, default="", db_default="")  # if different from the item's
    sequence_order = models.PositiveSmallIntegerField()
    status = FSMField(
        max_length=11, choices=PartnerStepStatus.choices, default=PartnerStepStatus.PENDING, protected=True
    )
    external_enrollment_id = models.CharField(max_length=255, null=True, blank=True)  # the partner's enrollment id
    launch_url = models.URLField(max_length=2000, blank=True)
    progress = models.PositiveSmallIntegerField(default=0)  # percent, as the partner reports
    started_at = models.DateTimeField(null=True, blank=True)  # when the partner accepted
    due_at = models.DateTimeField(null=True, blank=True)  # when the learner is expected to finish
    completed_at = models.DateTimeField(null=True, blank=True)
    evidence = models.CharField(max_length=300, blank=True)  # the evidence by which staff completed it
    certificate = models.JSONField(null=True, blank=True)  # the partner's own: its id, number, and URL
    # When the partner was first asked, recorded before the call: only the partner may know the result.
    asked_at = models.DateTimeField(null=True, editable=False)
    attempts = models.PositiveSmallIntegerField(default=0, db_default=0)
    # When to ask the partner (again): to accept the learner while it is queued, for news while it is in progress, to
    # let the learner go once it is skipped or withdrawn.
    next_attempt_at = models.DateTimeField(null=True, blank=True)
    last_error = models.CharField(max_length=300, blank=True, default="", db_default="")
    # When the partner let go of a learner who left, or turned out to have nobody to let go of.
    ended_at = models.DateTimeField(null=True, editable=False)
    change_count = models.PositiveIntegerField(default=0, editable=False)
    # Since when it has its status.
    changed_at = models.DateTimeField(default=utc_now, db_default=Now(), editable=False)
    # When its partner was found to have exceeded the agreed time for its status; empty otherwise.
    breached_at = models.DateTimeField(null=True, editable=False)
    # When staff put it in its position, or reopened it: later steps may have begun before.
    placed_at = models.DateTimeField(null=True, editable=False)
    # When staff took it off the enrollment's way: it was reassigned, or the version they moved to has no such step.
    retired_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(default=utc_now, editable=False)

    objects = EnrollmentStepQuerySet.as_manager()

    class Meta:
        verbose_name = "partner step"
        constraints = [
            models.UniqueConstraint(
                fields=["enrollment", "item"], condition=Q(retired_at=None), name="partner_step_one_per_item"
            ),
            models.UniqueConstraint(
                fields=["enrollment", "sequence_order"], condition=Q(retired_at=None), name="partner_step_order_unique"
            ),
            models.CheckConstraint(
                condition=Q(retired_at=None) | Q(status__in=OVER), name="partner_step_retired_is_over"
            ),
            models.UniqueConstraint(
                fields=["provider", "external_enrollment_id"],
                condition=models.Q(external_enrollment_id__isnull=False),
                name="partner_step_external_id_unique",
            ),
            models.CheckConstraint(
                condition=models.Q(status__in=PartnerStepStatus.values), name="partner_step_status_known"
            ),
            models.CheckConstraint(condition=models.Q(progress__lte=100), name="partner_step_progress_in_percent"),
            models.CheckConstraint(
                condition=~models.Q(status=PartnerStepStatus.IN_PROGRESS) | models.Q(started_at__isnull=False),
                name="partner_step_started_once_accepted",
            ),
            models.CheckConstraint(
                condition=(models.Q(status=PartnerStepStatus.COMPLETED) & models.Q(completed_at__isnull=False))
                | (~models.Q(status=PartnerStepStatus.COMPLETED) & models.Q(completed_at__isnull=True)),
                name="partner_step_completed_iff_dated",
            ),
        ]

        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                condition=models.Q(status=PartnerStepStatus.QUEUED),
                name="partner_step_due",
            ),
            models.Index(
                fields=["next_attempt_at"],
                condition=models.Q(status=PartnerStepStatus.IN_PROGRESS),
                name="partner_step_poll_due",
            ),
            models.Index(
                fields=["next_attempt_at"],
                condition=models.Q(status__in=LEFT, ended_at__isnull=True, next_attempt_at__isnull=False),
                name="partner_step_end_due",
            ),
            models.Index(fields=["provider", "status", "changed_at"], name="partner_step_standing"),
        ]

    def __str__(self) -> str:
        return f"Step {self.sequence_order} ({self.status})"

    @property
    def course(self) -> str:
        """Return the partner's id for the course: the sequence's, unless the step was reassigned."""
        return self.course_id or self.item.course_id

    @transition(field=status, source=PartnerStepStatus.PENDING, target=PartnerStepStatus.QUEUED)
    def queue(self) -> None:
        """Its turn has come."""

    @transition(field=status, source=PartnerStepStatus.QUEUED, target=PartnerStepStatus.IN_PROGRESS)
    def accept(self) -> None:
        """The partner has the learner."""

    @transition(
        field=status,
        source=list(ACTIVE),
        target=PartnerStepStatus.COMPLETED,
    )
    def complete(self) -> None:
        """The partner says so, or staff have evidence."""

    @transition(
        field=status,
        source=[PartnerStepStatus.QUEUED, PartnerStepStatus.IN_PROGRESS],
        target=PartnerStepStatus.FAILED,
    )
    def fail(self) -> None:
        """The partner refused, or never answered."""

    @transition(field=status, source=PartnerStepStatus.FAILED, target=PartnerStepStatus.QUEUED)
    def retry(self) -> None:
        """Ask the partner again."""

    @transition(
        field=status,
        source=list(OPEN),
        target=PartnerStepStatus.SKIPPED,
    )
    def skip(self) -> None:
        """Staff let it count as done."""

    @transition(
        field=status,
        source=list(OPEN),
        target=PartnerStepStatus.WITHDRAWN,
    )
    def withdraw(self) -> None:
        """It is no longer required."""

    @transition(field=status, source=PartnerStepStatus.COMPLETED, target=PartnerStepStatus.IN_PROGRESS)
    def reopen(self) -> None:
        """Staff take the completion back: the learner continues at the partner."""

    @transition(field=status, source=list(DONE), target=PartnerStepStatus.WITHDRAWN)
    def take_back(self) -> None:
        """Staff take back that it counts as done, and another step replaces it."""


class StepTransition(models.Model):
    """One change of a step's status. Append-only; `number` counts 1, 2, 3 … within the step, which starts pending."""

    step = models.ForeignKey(EnrollmentStep, on_delete=models.PROTECT, related_name="transitions")
    number = models.PositiveIntegerField()
    from_status = models.CharField(max_length=11)
    to_status = models.CharField(max_length=11)
    reason = models.CharField(max_length=300, blank=True)
    actor = models.CharField(max_length=64)
    request_id = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["step", "number"], name="step_transition_number_unique")]

    def __str__(self) -> str:
        return f"{self.from_status} to {self.to_status}"
