"""Who answers for which learner."""

from django.db import models

from core.addresses import AddressField
from core.clock import utc_now

from .learners import Learner
from .workspaces import Workspace


class Guardian(models.Model):
    """A parent or guardian: follows the enrollments of their learners, and acts for them.

    Known by `external_id` (the router document's guardian_id), by email, or by both; each is unique in its workspace.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="guardians")
    external_id = models.CharField(max_length=150, null=True, blank=True)
    email = AddressField(max_length=254, null=True, blank=True)
    first_name = models.CharField(max_length=150, blank=True)
    last_name = models.CharField(max_length=150, blank=True)
    learners = models.ManyToManyField(Learner, through="Guardianship", related_name="guardians")
    created_at = models.DateTimeField(default=utc_now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "external_id"], name="guardian_external_id_unique"),
            models.UniqueConstraint(fields=["workspace", "email"], name="guardian_email_unique"),
            models.CheckConstraint(
                condition=models.Q(external_id__isnull=False) | models.Q(email__isnull=False),
                name="guardian_known_by_something",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.first_name} {self.last_name}".strip() or self.external_id or self.email or "guardian"


class Guardianship(models.Model):
    """Which guardian answers for which learner."""

    guardian = models.ForeignKey(Guardian, on_delete=models.CASCADE, related_name="guardianships")
    learner = models.ForeignKey(Learner, on_delete=models.CASCADE, related_name="guardianships")
    created_at = models.DateTimeField(default=utc_now, editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["guardian", "learner"], name="guardianship_unique")]

    def __str__(self) -> str:
        return f"{self.guardian_id} for {self.learner_id}"
