import datetime as dt
from typing import Any

from django.db import models

from accounts.models import Learner, User
from billing.models import Checkout
from core.clock import utc_now
from enrollments.models import Enrollment

from ..states import IN_LINE, OCCUPYING, PlaceStatus, WaitStatus
from .terms import Cohort


class CohortPlaceQuerySet(models.QuerySet["CohortPlace"]):
    def occupying(self) -> "CohortPlaceQuerySet":
        """Return those that nobody else can have: held or taken."""
        return self.filter(status__in=OCCUPYING)

    def held(self) -> "CohortPlaceQuerySet":
        """Return those that are held for a learner who has not paid yet."""
        return self.filter(status=PlaceStatus.HELD)

    def in_checkout(self) -> "CohortPlaceQuerySet":
        """Return the held ones that end with a checkout."""
        return self.held().filter(checkout__isnull=False)

    def offers(self) -> "CohortPlaceQuerySet":
        """Return the held ones that the waiting list offers and for which nobody has opened a checkout."""
        return self.held().filter(checkout__isnull=True)

    def due_offers(self, *, now: dt.datetime) -> "CohortPlaceQuerySet":
        """Return the offers that have expired."""
        return self.offers().filter(held_until__lte=now)


class CohortPlace(models.Model):
    """Who holds or has which place. Invariant: one held or taken place per cohort and learner.

    A held place ends with its checkout, or at `held_until` if it is an offer from the waiting list.
    """

    cohort = models.ForeignKey(Cohort, on_delete=models.PROTECT, related_name="places")
    learner = models.ForeignKey(Learner, on_delete=models.PROTECT, related_name="places")
    enrollment = models.ForeignKey(Enrollment, null=True, blank=True, on_delete=models.PROTECT, related_name="places")
    checkout = models.ForeignKey(Checkout, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    # The actor of its checkout; null for an offer from the waiting list.
    held_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    status = models.CharField(max_length=8, choices=PlaceStatus.choices, default=PlaceStatus.HELD)
    held_until = models.DateTimeField()
    created_at = models.DateTimeField(default=utc_now, editable=False)
    taken_at = models.DateTimeField(null=True, blank=True)
    released_at = models.DateTimeField(null=True, blank=True)
    release_reason = models.CharField(max_length=200, blank=True)

    objects = CohortPlaceQuerySet.as_manager()

    class Meta:
        verbose_name = "place"
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
        """Return the offer by which it is held, which keeps running while its checkout is open."""
        entry = getattr(self, "waitlist_entry", None)
        return entry if entry is not None and entry.status == WaitStatus.OFFERED else None

    @property
    def kept_until(self) -> dt.datetime | None:
        """Return how long the learner may have it even if its checkout ends unpaid."""
        return self.offer.offer_expires_at if self.offer else None


class WaitlistQuerySet(models.QuerySet["WaitlistEntry"]):
    def in_line(self) -> "WaitlistQuerySet":
        """Return those who wait, or have an offer to answer."""
        return self.filter(status__in=IN_LINE)

    def waiting(self) -> "WaitlistQuerySet":
        """Return those who have no offer yet."""
        return self.filter(status=WaitStatus.WAITING)

    def ahead_of(self, *, cohort: Any, rank: Any) -> "WaitlistQuerySet":
        """Return those who are served before this rank in the cohort's line; `OuterRef` works for either argument."""
        return self.waiting().filter(cohort=cohort, rank__lt=rank)


class WaitlistEntry(models.Model):
    """A learner in line for a full cohort. Invariant: in line once per cohort; `rank` orders the line, lowest first."""

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

    objects = WaitlistQuerySet.as_manager()

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
