from django.db import models

from accounts.models import Learner, User
from billing.models import Checkout
from core.clock import utc_now
from enrollments.models import Enrollment

from ..states import IN_LINE, OCCUPYING, PlaceStatus, WaitStatus
from .terms import Cohort


class CohortPlace(models.Model):
    """Who holds or has which place. Invariant: one held or taken place per cohort and learner.

    A held place ends with its checkout, or at `held_until` when it is an offer from the waiting list.
    """

    cohort = models.ForeignKey(Cohort, on_delete=models.PROTECT, related_name="places")
    learner = models.ForeignKey(Learner, on_delete=models.PROTECT, related_name="places")
    enrollment = models.ForeignKey(Enrollment, null=True, blank=True, on_delete=models.PROTECT, related_name="places")
    checkout = models.ForeignKey(Checkout, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    # Whose checkout it is; null for an offer from the waiting list.
    held_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    status = models.CharField(max_length=8, choices=PlaceStatus.choices, default=PlaceStatus.HELD)
    held_until = models.DateTimeField()
    created_at = models.DateTimeField(default=utc_now, editable=False)
    taken_at = models.DateTimeField(null=True, blank=True)
    released_at = models.DateTimeField(null=True, blank=True)
    release_reason = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["cohort", "learner"],
                condition=models.Q(status__in=OCCUPYING),
                name="place_one_per_learner",
            ),
            models.CheckConstraint(condition=models.Q(status__in=PlaceStatus.values), name="place_status_known"),
        ]
        indexes = [
            models.Index(fields=["held_until"], condition=models.Q(status=PlaceStatus.HELD), name="place_hold_due")
        ]

    def __str__(self) -> str:
        return f"Place {self.pk} ({self.status})"

    @property
    def offer(self) -> "WaitlistEntry | None":
        """The offer by which it is held, whose time keeps running while its checkout is open."""
        entry = getattr(self, "waitlist_entry", None)
        return entry if entry is not None and entry.status == WaitStatus.OFFERED else None


class WaitlistEntry(models.Model):
    """Somebody in line for a full cohort. Invariant: in line once per cohort; `rank` orders the line, lowest first."""

    cohort = models.ForeignKey(Cohort, on_delete=models.CASCADE, related_name="waitlist")
    learner = models.ForeignKey(Learner, on_delete=models.PROTECT, related_name="waitlist_entries")
    rank = models.FloatField()
    status = models.CharField(max_length=8, choices=WaitStatus.choices, default=WaitStatus.WAITING)
    place = models.OneToOneField(
        CohortPlace, null=True, blank=True, on_delete=models.SET_NULL, related_name="waitlist_entry"
    )
    offered_at = models.DateTimeField(null=True, blank=True)
    offer_expires_at = models.DateTimeField(null=True, blank=True)
    note = models.CharField(max_length=300, blank=True)  # why staff moved it
    # Who put them in line; null for the workspace's own staff.
    joined_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(default=utc_now, editable=False)

    class Meta:
        verbose_name_plural = "waiting list"
        constraints = [
            models.UniqueConstraint(
                fields=["cohort", "learner"], condition=models.Q(status__in=IN_LINE), name="waitlist_once_in_line"
            ),
            models.CheckConstraint(condition=models.Q(status__in=WaitStatus.values), name="waitlist_status_known"),
        ]

    def __str__(self) -> str:
        return f"Waiting for {self.cohort}"
