import datetime as dt

from django.db import models

from core.clock import utc_now
from core.local_time import is_not_over, local_date, validate_date, validate_timezone
from core.money import Money
from enrollments.models import ProgramInstance

from .courses import CourseStep, CourseStepOption, GroupClass

# The cohort has a place that is neither taken nor held.
HAS_ROOM = models.Q(max_enrollment__gt=models.F("current_enrollment") + models.F("held_places"))


class CohortQuerySet(models.QuerySet["Cohort"]):
    def with_room(self) -> "CohortQuerySet":
        """Return those with a free place; as the condition of an UPDATE, it decides who gets the last one."""
        return self.filter(HAS_ROOM)

    def opened(self) -> "CohortQuerySet":
        """Return those that staff opened, in an instance that is not switched off."""
        return self.filter(is_active=True, instance__active=True)

    def not_over(self, *, now: dt.datetime) -> "CohortQuerySet":
        """Return those whose last day has not ended in their time zone: not `is_over`."""
        return self.filter(is_not_over(now=now, date="end_date", zone="timezone"))

    def before_deadline(self, *, now: dt.datetime) -> "CohortQuerySet":
        """Return those that are not `is_past_deadline`."""
        in_time = models.Q(enrollment_deadline__isnull=True) | models.Q(enrollment_deadline__gte=now)
        return self.not_over(now=now).filter(in_time)

    def having_sessions_left(self, *, now: dt.datetime) -> "CohortQuerySet":
        """Return those with a future session."""
        coming = CohortSession.objects.filter(cohort=models.OuterRef("pk"), class_session__starts_at__gt=now)
        return self.filter(models.Exists(coming))

    def taking_enrollments(self, *, now: dt.datetime) -> "CohortQuerySet":
        """Return those in which somebody could enroll right now or, if full, wait: `takes_enrollments`."""
        joinable = self.opened().before_deadline(now=now).having_sessions_left(now=now)
        return joinable.filter(instance__program__active=True)


class Cohort(models.Model):
    """A group that takes a course together in one term.

    Invariant: `current_enrollment` (places taken) plus `held_places` never exceeds `max_enrollment`, and both equal the
    CohortPlace rows. Only the statements in `places.py` change the counters.
    """

    instance = models.ForeignKey(ProgramInstance, on_delete=models.PROTECT, related_name="cohorts")
    name = models.CharField(max_length=200)
    start_date = models.DateField(validators=[validate_date])
    end_date = models.DateField(validators=[validate_date])
    timezone = models.CharField(max_length=64, default="UTC", validators=[validate_timezone])
    location = models.CharField(
        "where it meets",
        max_length=200,
        blank=True,
        default="",
        db_default="",
        help_text="What families need to find it: Online, or Hill School, room 12.",
    )
    max_enrollment = models.PositiveIntegerField()
    current_enrollment = models.PositiveIntegerField(default=0, editable=False)
    held_places = models.PositiveIntegerField(default=0, editable=False)
    enrollment_deadline = models.DateTimeField(null=True, blank=True)
    is_active = models.BooleanField(default=False)  # `opening.open_cohort` puts the cohort on sale
    created_at = models.DateTimeField(default=utc_now, editable=False)

    objects = CohortQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["instance", "name"], name="cohort_name_unique"),
            models.CheckConstraint(
                condition=models.Q(max_enrollment__gte=models.F("current_enrollment") + models.F("held_places")),
                name="cohort_never_oversold",
            ),
            models.CheckConstraint(
                condition=models.Q(end_date__gte=models.F("start_date")), name="cohort_dates_in_order"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def places_left(self) -> int:
        return self.max_enrollment - self.current_enrollment - self.held_places

    @property
    def has_room(self) -> bool:
        return self.places_left > 0

    @property
    def is_opened(self) -> bool:
        """Return whether staff opened it, in an instance that is not switched off."""
        return self.is_active and self.instance.active

    def takes_enrollments(self, now: dt.datetime) -> bool:
        """Return whether somebody could enroll right now or, if it is full, wait for a place."""
        is_offered = self.is_opened and self.instance.program.active
        return is_offered and not self.is_past_deadline(now) and self.has_sessions_left(now)

    def has_sessions_left(self, now: dt.datetime) -> bool:
        """Return whether any of it can still be attended; otherwise it is never on sale. Lists fetch the answer by
        `queries.with_sessions_left` or by fetching the sessions.
        """
        known: bool | None = getattr(self, "sessions_left", None)
        if known is not None:
            return known
        fetched = getattr(self, "_prefetched_objects_cache", {}).get("sessions")
        if fetched is not None:
            return any(session.class_session.starts_at > now for session in fetched)
        return bool(self.sessions.filter(class_session__starts_at__gt=now).exists())

    @property
    def price_asked(self) -> Money | None:
        """Return what a place costs; None while it can't be bought."""
        price = self.instance.price
        return price.money if price and price.active else None

    def is_past_deadline(self, now: dt.datetime) -> bool:
        """Return whether it is too late to join: after the deadline, or after the last day, in the cohort's zone."""
        if self.enrollment_deadline is not None and self.enrollment_deadline < now:
            return True
        return self.is_over(now)

    def is_over(self, now: dt.datetime) -> bool:
        """Return whether the last day has ended in the cohort's time zone."""
        return self.end_date < local_date(now, self.timezone)


class ClassSession(models.Model):
    """One dated meeting of a group class. Two cohorts that share a meeting share its seats.

    Invariant: `booked_count` equals the steps that hold a seat here and never exceeds `max_students`.
    """

    group_class = models.ForeignKey(GroupClass, on_delete=models.PROTECT, related_name="sessions")
    date = models.DateField()
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    max_students = models.PositiveIntegerField()
    booked_count = models.PositiveIntegerField(default=0, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["group_class", "date"], name="class_session_one_a_day"),
            models.CheckConstraint(
                condition=models.Q(booked_count__lte=models.F("max_students")), name="class_session_never_overbooked"
            ),
            models.CheckConstraint(
                condition=models.Q(ends_at__gt=models.F("starts_at")), name="class_session_times_in_order"
            ),
        ]
        indexes = [models.Index(fields=["starts_at"], name="class_session_by_start")]

    def __str__(self) -> str:
        return f"{self.group_class} on {self.date}"

    @property
    def seats_left(self) -> int:
        return self.max_students - self.booked_count

    @property
    def has_room(self) -> bool:
        return self.seats_left > 0


class CohortSession(models.Model):
    """Where and when a cohort can attend a step: one row per option, its meeting derived and editable."""

    cohort = models.ForeignKey(Cohort, on_delete=models.CASCADE, related_name="sessions")
    step = models.ForeignKey(CourseStep, on_delete=models.PROTECT, related_name="cohort_sessions")
    option = models.ForeignKey(CourseStepOption, on_delete=models.PROTECT, related_name="cohort_sessions")
    class_session = models.ForeignKey(ClassSession, on_delete=models.PROTECT, related_name="cohort_sessions")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["cohort", "option"], name="cohort_session_unique")]

    def __str__(self) -> str:
        return f"{self.step.label} of {self.cohort}"
