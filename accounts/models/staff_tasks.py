"""What waits for a person."""

from django.db import models

from core.clock import utc_now

from ..states import POSSIBLE_TWINS, TaskStatus
from ..task_kinds import kind_choices
from .users import User
from .workspaces import Workspace


class StaffTask(models.Model):
    """Something only a person can decide: a payment that does not match, a failed refund, a dispute.

    Invariant: one open task per kind and subject; raising it again changes nothing.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="staff_tasks")
    kind = models.CharField(max_length=50, choices=kind_choices)
    subject = models.CharField(max_length=64)  # e.g. "payment:12"
    summary = models.CharField(max_length=300)
    status = models.CharField(max_length=4, choices=TaskStatus.choices, default=TaskStatus.OPEN)
    created_at = models.DateTimeField(default=utc_now, editable=False)
    done_at = models.DateTimeField(null=True, blank=True, editable=False)
    done_by = models.ForeignKey(User, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    resolution = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "subject"],
                condition=models.Q(status=TaskStatus.OPEN),
                name="staff_task_one_open_per_subject",
            ),
            # Staff are asked only once whether two learners are one person, whatever the answer was.
            models.UniqueConstraint(
                fields=["subject"], condition=models.Q(kind=POSSIBLE_TWINS), name="staff_task_one_per_pair_of_twins"
            ),
            models.CheckConstraint(condition=models.Q(status__in=TaskStatus.values), name="staff_task_status_known"),
        ]

    def __str__(self) -> str:
        return self.summary
