from django.db import models

from accounts.models import Learner
from billing.models import Payment
from core.errors import require
from enrollments.models import Enrollment, Program

from ..states import SEATED, StepStatus
from .courses import CourseStep, CourseStepOption
from .places import CohortPlace
from .terms import ClassSession, Cohort


class StudentPackageQuerySet(models.QuerySet["StudentPackage"]):
    def live(self) -> "StudentPackageQuerySet":
        """Return those that were not revoked."""
        return self.filter(revoked_at__isnull=True)

    def revoked(self) -> "StudentPackageQuerySet":
        """Return those that ended with their enrollment, or with a full refund."""
        return self.filter(revoked_at__isnull=False)


class StudentPackage(models.Model):
    """A course that a learner bought. Invariants: one live (not revoked) package per learner and program; completed at
    most once, together with its enrollment's participation, and permanently.
    """

    learner = models.ForeignKey(Learner, on_delete=models.PROTECT, related_name="packages")
    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="packages")
    enrollment = models.ForeignKey(Enrollment, on_delete=models.PROTECT, related_name="packages")
    cohort = models.ForeignKey(Cohort, on_delete=models.PROTECT, related_name="packages")
    place = models.ForeignKey(CohortPlace, on_delete=models.PROTECT, related_name="packages")
    payment = models.ForeignKey(Payment, null=True, on_delete=models.PROTECT, related_name="packages")
    name = models.CharField(max_length=300)  # "CODE - Cohort", the name at the time of purchase
    purchased_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)  # null: never
    completed_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoke_reason = models.CharField(max_length=200, blank=True)

    objects = StudentPackageQuerySet.as_manager()

    class Meta:
        verbose_name = "package"
        constraints = [
            models.UniqueConstraint(
                fields=["learner", "program"], condition=models.Q(revoked_at__isnull=True), name="package_one_live"
            )
        ]
        indexes = [models.Index(fields=["purchased_at"], name="package_by_day")]

    def __str__(self) -> str:
        return self.name

    @property
    def is_live(self) -> bool:
        return self.revoked_at is None

    @staticmethod
    def name_in(cohort: Cohort) -> str:
        """Return the name of a package bought in this cohort; a code and a cohort's name are always short enough."""
        return f"{cohort.instance.program.code} - {cohort.name}"


class StepProgressQuerySet(models.QuerySet["StepProgress"]):
    def of_live_packages(self) -> "StepProgressQuerySet":
        """Return the steps of packages that were not revoked."""
        return self.filter(package__revoked_at__isnull=True)

    def seated(self) -> "StepProgressQuerySet":
        """Return those that hold a seat in a class session."""
        return self.filter(status__in=SEATED)


class StepProgress(models.Model):
    """The progress of a package with one step.

    Invariant: one row per package and step, and a class session exactly while the step holds a seat in it.
    """

    package = models.ForeignKey(StudentPackage, on_delete=models.PROTECT, related_name="progress")
    step = models.ForeignKey(CourseStep, on_delete=models.PROTECT, related_name="progress")
    status = models.CharField(max_length=9, choices=StepStatus.choices, default=StepStatus.UNBOOKED)
    option = models.ForeignKey(CourseStepOption, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    class_session = models.ForeignKey(
        ClassSession, null=True, blank=True, on_delete=models.PROTECT, related_name="bookings"
    )
    booked_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)
    excuse = models.CharField(
        max_length=300, blank=True, default="", db_default="", help_text="Why the step counts as attended; for staff."
    )
    # For calendars and mails: how often this step's session changed for the family, when it last did, and which session
    # it was, so that one given back can be shown as canceled.
    sequence = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    changed_at = models.DateTimeField(null=True, editable=False)
    last_session = models.ForeignKey(
        ClassSession, null=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )

    objects = StepProgressQuerySet.as_manager()

    class Meta:
        verbose_name = "booking"
        verbose_name_plural = "bookings"
        constraints = [
            models.UniqueConstraint(fields=["package", "step"], name="progress_one_per_step"),
            models.CheckConstraint(condition=models.Q(status__in=StepStatus.values), name="progress_status_known"),
            models.CheckConstraint(
                condition=models.Q(status__in=SEATED, class_session__isnull=False)
                | (~models.Q(status__in=SEATED) & models.Q(class_session__isnull=True)),
                name="progress_session_iff_seated",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.step.label}: {self.status}"

    @property
    def seat(self) -> ClassSession:
        """Return the session in which the step holds a seat. Raises Contradiction for a step without one."""
        return require(self.class_session, "a seated step has a session")
