"""The states of an examination, as stored in the database."""

from django.db.models import TextChoices


class ExaminationStatus(TextChoices):
    RUNNING = "running", "Running"
    COMPLETED = "completed", "Completed"
    INTERRUPTED = "interrupted", "Interrupted"  # its process died, or the next one would have waited for it forever
