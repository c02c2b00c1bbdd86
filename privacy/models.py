from django.db import models

from accounts.models import Workspace

from .states import ErasureReason


class Erasure(models.Model):
    """That somebody was erased. It says nothing about them but ids that lead to nothing any more: with it, an erasure
    can be repeated after a backup from before was restored.

    Invariant: one per learner. `papers_until` is when the invoices that the law wants no longer name them; empty once
    they do not, or where there were none.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="erasures")
    learner_cuid = models.CharField(max_length=32, unique=True)
    reason = models.CharField(max_length=9, choices=ErasureReason.choices)
    actor = models.CharField(max_length=64)
    erased_at = models.DateTimeField()
    rows = models.PositiveIntegerField(default=0)  # how many held something of theirs
    payments = models.JSONField(default=list)  # whose invoices still name them
    papers_until = models.DateField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(reason__in=ErasureReason.values), name="erasure_reason_known"),
        ]
        indexes = [
            models.Index(
                fields=["papers_until"], condition=models.Q(papers_until__isnull=False), name="erasure_papers_due"
            ),
        ]

    def __str__(self) -> str:
        return f"Erasure {self.pk}"
