from django.db import models

from accounts.models import Workspace
from core.clock import utc_now
from core.local_time import validate_timezone
from enrollments.models import Program

from ..states import DayOfWeek


class CourseStep(models.Model):
    """One thing to attend in a course; a program with steps is a course program."""

    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="steps")
    order = models.PositiveSmallIntegerField(help_text="1 is the first step; step n meets in week n of a cohort.")
    label = models.CharField(max_length=50, help_text="Short, like “Week 1”.")
    title = models.CharField(max_length=200)
    required = models.BooleanField(default=True, help_text="Counts toward completing the course.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["program", "order"], name="step_order_unique"),
            models.CheckConstraint(condition=models.Q(order__gte=1), name="step_order_from_one"),
        ]

    def __str__(self) -> str:
        return f"{self.label}: {self.title}"


class GroupClass(models.Model):
    """A class that meets every week at the same local time, whatever daylight saving does to UTC."""

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="group_classes")
    name = models.CharField(max_length=200)
    day_of_week = models.PositiveSmallIntegerField(choices=DayOfWeek.choices)
    start_time = models.TimeField()
    end_time = models.TimeField()
    timezone = models.CharField(max_length=64, default="UTC", validators=[validate_timezone])
    max_students = models.PositiveIntegerField(help_text="Seats of each meeting; meetings that exist keep theirs.")
    teacher = models.CharField(max_length=200, blank=True)
    meeting_url = models.URLField(blank=True)
    created_at = models.DateTimeField(default=utc_now, editable=False)

    class Meta:
        verbose_name_plural = "group classes"
        constraints = [
            models.CheckConstraint(condition=models.Q(day_of_week__lte=6), name="group_class_day_known"),
            models.CheckConstraint(
                condition=models.Q(end_time__gt=models.F("start_time")), name="group_class_times_in_order"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class CourseStepOption(models.Model):
    """A class in which a step can be attended. A step with one option needs no choice."""

    step = models.ForeignKey(CourseStep, on_delete=models.PROTECT, related_name="options")
    group_class = models.ForeignKey(GroupClass, on_delete=models.PROTECT, related_name="options")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["step", "group_class"], name="option_unique")]

    def __str__(self) -> str:
        return f"{self.step.label} in {self.group_class}"
