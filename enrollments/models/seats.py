import datetime as dt

from django.conf import settings
from django.db import models

from accounts.models import Learner, Workspace
from core.addresses import AddressField
from core.clock import utc_now
from core.local_time import local_date, validate_date, validate_timezone
from core.money import Money
from core.numbers import counted

from ..states import HELD_SEATS, AllocationStanding, SeatStatus
from .enrollments import Enrollment
from .programs import ProgramInstance


class District(models.Model):
    """A school district that pays for seats. Its portal knows it by `tenant_id`, rosters by `external_id`."""

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="districts")
    tenant_id = models.BigIntegerField()
    external_id = models.CharField(
        max_length=150, null=True, blank=True, help_text="The sourcedId that OneRoster archives know it by."
    )
    name = models.CharField(max_length=200)
    timezone = models.CharField(
        "time zone",
        max_length=64,
        blank=True,
        default="",
        db_default="",
        validators=[validate_timezone],
        help_text="Where its seats become valid and run out. Empty: the workspace's.",
    )
    contact_email = AddressField(
        "contact's email",
        max_length=254,
        blank=True,
        default="",
        db_default="",
        help_text="Who reads about its seats: when they run out, lie idle or were taken back. Empty: nobody there.",
    )
    contact_language = models.CharField(
        "contact's language",
        max_length=5,
        choices=settings.LANGUAGES,
        blank=True,
        default="",
        db_default="",
        help_text="Empty: the workspace's.",
    )
    contact_stopped_at = models.DateTimeField("contact stopped these mails at", null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=utc_now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "tenant_id"], name="district_tenant_unique"),
            models.UniqueConstraint(fields=["workspace", "external_id"], name="district_external_id_unique"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def zone(self) -> str:
        """Return the time zone of its dates."""
        return self.timezone or self.workspace.timezone


class DistrictSeatAllocation(models.Model):
    """How many seats a district has bought, for one program instance or (without one) for any, and for which days.

    A district may have several for the same programs, distinguished by their `term`; their days may overlap. Invariant:
    0 <= reserved + used <= total, and both counters equal the SeatAssignment rows in those states. Only the statements
    in `seats.py` change the counters.
    """

    district = models.ForeignKey(District, on_delete=models.PROTECT, related_name="allocations")
    instance = models.ForeignKey(
        ProgramInstance, null=True, blank=True, on_delete=models.PROTECT, related_name="allocations"
    )
    term = models.CharField(
        max_length=80, blank=True, default="", db_default="", help_text="What staff call its days: Fall 2026."
    )
    total_seats = models.PositiveIntegerField()
    reserved_seats = models.PositiveIntegerField(default=0, editable=False)
    used_seats = models.PositiveIntegerField(default=0, editable=False)
    is_active = models.BooleanField(default=True)
    valid_from = models.DateField(null=True, blank=True, validators=[validate_date])
    valid_until = models.DateField(
        null=True, blank=True, validators=[validate_date], help_text="The last day on which seats may be taken."
    )
    seat_price_minor = models.PositiveIntegerField(null=True, blank=True)  # what the district pays for one seat
    currency = models.CharField(max_length=3, blank=True, default="", db_default="")
    # A family without activity for this many days is asked whether it is still coming; if empty, nobody is.
    idle_days = models.PositiveSmallIntegerField("idle after days", null=True, blank=True)
    grace_days = models.PositiveSmallIntegerField("days to answer", default=7, db_default=7)
    renewed_from = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        editable=False,
        db_index=False,  # the constraint's index finds it
        on_delete=models.PROTECT,
        related_name="renewals",
    )
    created_at = models.DateTimeField(default=utc_now, editable=False)
    updated_at = models.DateTimeField(default=utc_now, editable=False)

    class Meta:
        verbose_name = "seat allocation"
        verbose_name_plural = "seats"
        constraints = [
            models.UniqueConstraint(
                fields=["district", "term"], condition=models.Q(instance__isnull=True), name="allocation_one_general"
            ),
            models.UniqueConstraint(
                fields=["district", "instance", "term"],
                condition=models.Q(instance__isnull=False),
                name="allocation_one_per_instance",
            ),
            models.UniqueConstraint(
                fields=["renewed_from"],
                condition=models.Q(renewed_from__isnull=False),
                name="allocation_renewed_once",
            ),
            models.CheckConstraint(
                condition=models.Q(valid_from__isnull=True)
                | models.Q(valid_until__isnull=True)
                | models.Q(valid_until__gte=models.F("valid_from")),
                name="allocation_days_in_order",
            ),
            models.CheckConstraint(
                condition=models.Q(seat_price_minor__isnull=True, currency="")
                | (models.Q(seat_price_minor__isnull=False) & ~models.Q(currency="")),
                name="allocation_price_has_currency",
            ),
            models.CheckConstraint(
                condition=models.Q(idle_days__isnull=True) | models.Q(idle_days__gte=1),
                name="allocation_idle_days_positive",
            ),
            models.CheckConstraint(
                condition=models.Q(total_seats__gte=models.F("reserved_seats") + models.F("used_seats")),
                name="allocation_never_oversold",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.district} seats, {self.term}" if self.term else f"{self.district} seats"

    @property
    def seat_price(self) -> Money | None:
        return None if self.seat_price_minor is None else Money(self.seat_price_minor, self.currency)

    @property
    def available_seats(self) -> int:
        return self.total_seats - self.reserved_seats - self.used_seats

    @property
    def zone(self) -> str:
        """Return the time zone of its dates: its district's, which is fetched along where many are read."""
        return str(getattr(self, "district_timezone", "") or self.district.zone)

    def standing(self, now: dt.datetime) -> AllocationStanding:
        """Return whether seats may be taken today, in its district's time zone, regardless of whether any are free."""
        today = local_date(now, self.zone)
        if not self.is_active:
            return AllocationStanding.OFF
        if self.valid_from is not None and today < self.valid_from:
            return AllocationStanding.COMING
        if self.valid_until is not None and self.valid_until < today:
            return AllocationStanding.OVER
        return AllocationStanding.OPEN

    def is_open(self, now: dt.datetime) -> bool:
        return self.standing(now) == AllocationStanding.OPEN


class AllocationChange(models.Model):
    """One change of an allocation's total or activity: from what to what, by whom, and why. Append-only."""

    allocation = models.ForeignKey(DistrictSeatAllocation, on_delete=models.PROTECT, related_name="changes")
    total_before = models.PositiveIntegerField()
    total_after = models.PositiveIntegerField()
    was_active = models.BooleanField()
    is_active = models.BooleanField()
    reason = models.CharField(max_length=300, blank=True)  # for colleagues
    actor = models.CharField(max_length=64)
    created_at = models.DateTimeField(editable=False)

    class Meta:
        verbose_name = "seat change"

    def __str__(self) -> str:
        return f"From {self.total_before:,} to {counted(self.total_after, 'seat')}"


class SeatAssignment(models.Model):
    """Who holds which seat. Invariant: one held seat per learner and allocation, and per enrollment."""

    allocation = models.ForeignKey(DistrictSeatAllocation, on_delete=models.PROTECT, related_name="seats")
    learner = models.ForeignKey(Learner, on_delete=models.PROTECT, related_name="seats")
    enrollment = models.ForeignKey(Enrollment, on_delete=models.PROTECT, related_name="seats")
    status = models.CharField(max_length=8, choices=SeatStatus.choices, default=SeatStatus.RESERVED)
    reserved_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True, blank=True)
    released_at = models.DateTimeField(null=True, blank=True)
    release_reason = models.CharField(max_length=200, blank=True)

    class Meta:
        verbose_name = "seat holder"
        constraints = [
            models.UniqueConstraint(
                fields=["allocation", "learner"],
                condition=models.Q(status__in=HELD_SEATS),
                name="seat_one_held_per_learner",
            ),
            models.UniqueConstraint(
                fields=["enrollment"], condition=models.Q(status__in=HELD_SEATS), name="seat_one_held_per_enrollment"
            ),
            models.CheckConstraint(condition=models.Q(status__in=SeatStatus.values), name="seat_status_known"),
        ]
        indexes = [
            models.Index(fields=["reserved_at"], name="seat_by_day"),
            models.Index(
                fields=["released_at"], condition=models.Q(released_at__isnull=False), name="seat_back_by_day"
            ),
        ]

    def __str__(self) -> str:
        return f"Seat {self.pk} ({self.status})"
