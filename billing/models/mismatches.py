from django.db import models

from accounts.models import Workspace
from core.money import Money


class MismatchQuerySet(models.QuerySet["Mismatch"]):
    def standing(self) -> "MismatchQuerySet":
        """Select those that still existed at the last search."""
        return self.filter(settled_at=None)

    def unexplained(self) -> "MismatchQuerySet":
        """Select those that wait for a person: they still exist, and nobody has explained them."""
        return self.standing().filter(explained_at=None)


class Mismatch(models.Model):
    """Two records about the same money that do not agree: Stripe's and ours, or two of ours.

    A sweep finds it, and settles it once they agree. Staff repair it, or explain why it is in order as it is. While it
    stands there is one row for each kind and subject.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="+", db_index=False)
    kind = models.CharField(max_length=30)  # its name in `mismatches/kinds.py`; apps above have their own
    subject = models.CharField(max_length=64)  # "payment:12"
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    happened_at = models.DateTimeField()  # when the money moved
    found_at = models.DateTimeField()
    explanation = models.CharField(max_length=300, blank=True)
    explained_by = models.CharField(max_length=64, blank=True)
    explained_at = models.DateTimeField(null=True, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)

    objects = MismatchQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "mismatches"
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "kind", "subject"],
                condition=models.Q(settled_at__isnull=True),
                name="mismatch_stands_once",
            ),
            models.CheckConstraint(
                condition=models.Q(explained_at__isnull=True)
                | (~models.Q(explanation="") & ~models.Q(explained_by="")),
                name="mismatch_explained_by_somebody",
            ),
        ]
        indexes = [
            models.Index(fields=["workspace", "happened_at"], name="mismatch_by_time"),
            models.Index(fields=["subject"], name="mismatch_by_subject"),
        ]

    def __str__(self) -> str:
        return f"{self.kind.replace('_', ' ')}: {self.subject}"

    @property
    def money(self) -> Money:
        return Money(self.amount_minor, self.currency)

    @property
    def subject_id(self) -> int:
        return int(self.subject.partition(":")[2])
