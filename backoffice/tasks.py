"""Background work: each task receives ids or finds its work in the database, and calls one use case."""

from celery import shared_task

from core.clock import utc_now
from core.work import in_batches

from .auditing.keeping import forget_old_entries
from .exporting import jobs


@shared_task
def write_export(export_id: int) -> None:
    jobs.write_export(export_id=export_id, now=utc_now())


@shared_task
def continue_due_exports() -> None:
    in_batches(jobs.continue_due_exports, size=5, at_most=5)


@shared_task
def forget_old_exports() -> None:
    in_batches(jobs.forget_old_exports, size=100, at_most=10)


@shared_task
def forget_old_audit_entries() -> None:
    in_batches(forget_old_entries, size=1000, at_most=20)
