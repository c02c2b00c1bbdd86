"""What reviewers work with: the reasons that their workspace offers them."""

from django.db import models

from accounts.models import Workspace
from core.clock import utc_now


class ReviewReason(models.Model):
    """A reason to reject that a workspace's reviewers choose at the desk instead of typing it.

    Invariant: a workspace has each reason once. The family reads the chosen text word for word; changing it here
    changes no earlier letter.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="review_reasons")
    text = models.CharField("reason", max_length=300, help_text="The family reads it word for word.")
    position = models.PositiveSmallIntegerField("order", default=0)
    is_offered = models.BooleanField("offered", default=True, help_text="Reviewers can choose it.")
    created_at = models.DateTimeField(default=utc_now, editable=False)

    class Meta:
        verbose_name = "reason to reject"
        verbose_name_plural = "reasons to reject"
        constraints = [
            models.UniqueConstraint(fields=["workspace", "text"], name="review_reason_unique"),
        ]

    def __str__(self) -> str:
        return self.text
