"""Metrics about what waits for people."""

from core.metrics import Figure, count_by

from .models import StaffTask
from .states import TaskStatus

FIGURES = (
    Figure(
        "staff_tasks_open",
        "Tasks that wait for staff.",
        ("kind",),
        lambda now: count_by(StaffTask.objects.filter(status=TaskStatus.OPEN), "kind"),
    ),
)
