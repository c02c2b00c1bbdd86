from django.db import models

from core.clock import utc_now

from ..states import VerdictOutcome
from .enrollments import Enrollment
from .programs import ProgramInstance


class Criterion(models.Model):
    """One question of a program instance's set of criteria: an expression that is true or false.

    Invariant: the sets of earlier versions stay unchanged, so that a verdict can be explained years later. The set that
    applies is the one of the instance's `criteria_version`; it has no rows if there are no criteria.
    """

    instance = models.ForeignKey(ProgramInstance, on_delete=models.PROTECT, related_name="criteria")
    version = models.PositiveIntegerField()
    position = models.PositiveSmallIntegerField()  # counts 1, 2, 3 … within the version
    name = models.CharField(max_length=100)
    expression = models.TextField(max_length=1000)
    otherwise = models.CharField(max_length=300)  # the reason when it does not hold, which the family reads
    because = models.CharField(max_length=300, blank=True)  # the reason when it holds
    actor = models.CharField(max_length=64)
    created_at = models.DateTimeField(default=utc_now, editable=False)

    class Meta:
        verbose_name_plural = "criteria"
        constraints = [
            models.UniqueConstraint(fields=["instance", "version", "position"], name="criterion_position_unique"),
            models.UniqueConstraint(fields=["instance", "version", "name"], name="criterion_name_unique"),
        ]

    def __str__(self) -> str:
        return self.name


class EligibilityVerdict(models.Model):
    """The result of one evaluation of an enrollment, and why. Append-only; the newest is the one with the highest id.

    `answers` contains the criteria that were evaluated, in their order: `name`, `expression`, the `inputs` that the
    expression read and nothing more, its `answer` (null if it could not be evaluated), and the `reason` in words. It is
    empty if a person decided, or if there were no criteria.
    """

    enrollment = models.ForeignKey(Enrollment, on_delete=models.PROTECT, related_name="verdicts")
    criteria_version = models.PositiveIntegerField()
    outcome = models.CharField(max_length=10, choices=VerdictOutcome.choices)
    reason = models.CharField(max_length=300, blank=True)
    answers = models.JSONField(default=list)
    actor = models.CharField(max_length=64)
    created_at = models.DateTimeField(editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(outcome__in=VerdictOutcome.values), name="verdict_outcome_known"),
        ]

    def __str__(self) -> str:
        return f"{self.get_outcome_display()} by version {self.criteria_version}"
