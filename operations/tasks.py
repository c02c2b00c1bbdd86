"""Background work: each task calls one use case."""

from celery import shared_task

from core.clock import utc_now
from core.work import in_batches

from .examining import examine_all, forget_old_findings
from .partitions import make_all_parts_ahead


@shared_task
def examine_data() -> None:
    examine_all(now=utc_now())


@shared_task
def forget_old_examinations() -> None:
    in_batches(forget_old_findings, size=1000, at_most=20)


@shared_task
def make_parts_ahead() -> None:
    """Create the partitions for the rows to come."""
    make_all_parts_ahead(now=utc_now())
