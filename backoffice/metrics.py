"""Metrics about exports."""

from core.jobs import UNFINISHED, JobStatus
from core.metrics import Work

from .models import Export

WORK = (
    Work(
        "exports",
        lambda now: Export.objects.filter(status__in=UNFINISHED),
        lambda: Export.objects.filter(status=JobStatus.FAILED),
    ),
)
