from django.db import models

from accounts.models import Workspace
from core.jobs import UNFINISHED, Job, JobStatus

from .programs import ProgramInstance


class EvaluationJob(Job):
    """The evaluation of all candidates of a program instance.

    Invariant: at most one unfinished job per instance, so asking again finds it. `position` is the last enrollment's
    id, and `counts` says how many became eligible or ineligible, and how many could not be evaluated.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="+")
    instance = models.ForeignKey(ProgramInstance, on_delete=models.PROTECT, related_name="evaluations")

    class Meta:
        verbose_name = "evaluation"
        constraints = [
            models.UniqueConstraint(
                fields=["instance"], condition=models.Q(status__in=UNFINISHED), name="evaluation_one_unfinished"
            ),
            models.CheckConstraint(condition=models.Q(status__in=JobStatus.values), name="evaluation_status_known"),
        ]
        indexes = [
            models.Index(fields=["next_attempt_at"], condition=models.Q(status__in=UNFINISHED), name="evaluation_due")
        ]

    def __str__(self) -> str:
        return f"Evaluation {self.cuid}"
