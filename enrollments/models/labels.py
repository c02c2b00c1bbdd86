from django.db import models

from ..states import LabelKind
from .enrollments import Enrollment
from .programs import ProgramInstance


class EnrollmentLabel(models.Model):
    """One tag or manufacturer of an enrollment, stored separately so that listing all that have it needs no search.

    Invariant: an enrollment has exactly the labels that its `tags` and `manufacturer_slugs` name; instance and time are
    the enrollment's own, which never change.
    """

    enrollment = models.ForeignKey(Enrollment, on_delete=models.PROTECT, related_name="labels", db_index=False)
    instance = models.ForeignKey(ProgramInstance, on_delete=models.PROTECT, related_name="+", db_index=False)
    kind = models.CharField(max_length=12, choices=LabelKind.choices)
    value = models.CharField(max_length=100)
    created_at = models.DateTimeField(editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["enrollment", "kind", "value"], name="enrollment_label_once"),
            models.CheckConstraint(condition=models.Q(kind__in=LabelKind.values), name="enrollment_label_kind_known"),
        ]
        indexes = [
            models.Index(
                fields=["instance", "kind", "value", "-created_at", "-enrollment"], name="enrollment_label_newest"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.value}"
