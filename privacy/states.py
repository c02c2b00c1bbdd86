from django.db import models


class ErasureReason(models.TextChoices):
    """Why somebody was erased: what may be kept of such a decision."""

    ASKED = "asked", "The family asked for it"
    OUTDATED = "outdated", "Nothing is needed any more"
    MISTAKE = "mistake", "They should not have been here"
