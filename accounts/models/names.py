from django.db import models

from core.clock import utc_now

from .learners import Learner
from .workspaces import Workspace


class NameChange(models.Model):
    """A learner's change of name, made or requested by the family: names before and after, its author, who decided.

    Invariant: a learner has at most one undecided change; a change that was applied was decided; a decided row never
    changes.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="name_changes")
    learner = models.ForeignKey(Learner, on_delete=models.PROTECT, related_name="name_changes")
    first_name_before = models.CharField(max_length=150)
    last_name_before = models.CharField(max_length=150)
    first_name = models.CharField(max_length=150)
    last_name = models.CharField(max_length=150)
    asked_by = models.CharField(max_length=64)
    asked_at = models.DateTimeField(default=utc_now)
    decided_by = models.CharField(max_length=64, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    is_applied = models.BooleanField("applied", default=False)
    note = models.CharField(max_length=300, blank=True)  # why it was declined, shown to the family

    class Meta:
        verbose_name_plural = "changed names"
        constraints = [
            models.UniqueConstraint(
                fields=["learner"], condition=models.Q(decided_at__isnull=True), name="name_change_one_open"
            ),
            models.CheckConstraint(
                condition=models.Q(is_applied=False) | models.Q(decided_at__isnull=False),
                name="name_change_applied_was_decided",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.before} to {self.after}"

    @property
    def before(self) -> str:
        return f"{self.first_name_before} {self.last_name_before}".strip()

    @property
    def after(self) -> str:
        return f"{self.first_name} {self.last_name}".strip()

    @property
    def state(self) -> str:
        """Return pending, applied, or declined."""
        if self.decided_at is None:
            return "pending"
        return "applied" if self.is_applied else "declined"
