from django.db import models

from core.clock import utc_now
from enrollments.models import Program

from ..states import GroupRule
from .providers import Provider


class PartnerSequence(models.Model):
    """One version of the partners that a program's learners go through. Invariant: one active version per program.

    A version never changes, and learners keep the one they began with unless staff move them: any change is a new
    version, for learners who are approved afterwards.
    """

    program = models.ForeignKey(Program, on_delete=models.PROTECT, related_name="partner_sequences")
    version = models.PositiveIntegerField()
    active = models.BooleanField(default=True)
    created_by = models.CharField(max_length=64)
    created_at = models.DateTimeField(default=utc_now, editable=False)

    class Meta:
        verbose_name = "sequence"
        constraints = [
            models.UniqueConstraint(fields=["program", "version"], name="partner_sequence_version_unique"),
            models.UniqueConstraint(
                fields=["program"], condition=models.Q(active=True), name="partner_sequence_one_active"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.program.code}, version {self.version}"


class SequenceGroup(models.Model):
    """Steps of a sequence that belong together. The groups are completed in the order of their positions."""

    sequence = models.ForeignKey(PartnerSequence, on_delete=models.PROTECT, related_name="groups")
    position = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=100, blank=True)
    rule = models.CharField(max_length=13, choices=GroupRule.choices, default=GroupRule.ALL_IN_ORDER)
    at_least = models.PositiveSmallIntegerField(null=True, blank=True)  # the number of steps, for that rule only

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["sequence", "position"], name="sequence_group_position_unique"),
            models.CheckConstraint(condition=models.Q(rule__in=GroupRule.values), name="sequence_group_rule_known"),
            models.CheckConstraint(
                condition=(models.Q(rule=GroupRule.AT_LEAST, at_least__isnull=False) & models.Q(at_least__gte=1))
                | (~models.Q(rule=GroupRule.AT_LEAST) & models.Q(at_least__isnull=True)),
                name="sequence_group_counts_iff_at_least",
            ),
        ]

    def __str__(self) -> str:
        return self.name or f"Group {self.position}"


class SequenceItem(models.Model):
    """A partner's course, as one step of a sequence."""

    group = models.ForeignKey(SequenceGroup, on_delete=models.PROTECT, related_name="items")
    position = models.PositiveSmallIntegerField()
    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="sequence_items")
    course_id = models.CharField(max_length=255)  # the partner's id for the course

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["group", "position"], name="sequence_item_position_unique"),
            models.UniqueConstraint(fields=["group", "provider", "course_id"], name="sequence_item_once_in_group"),
        ]

    def __str__(self) -> str:
        return f"{self.course_id} at {self.provider}"
