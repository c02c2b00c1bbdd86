"""Work in the background: each task finds its work in the database, and calls one use case."""

from celery import shared_task

from core.clock import utc_now
from core.work import in_batches

from . import erasing, forgetting

# An erasure takes some tens of milliseconds, and a task of the worker five minutes at most.
ROWS_OF_A_RUN = 1_000


@shared_task
def forget_papers() -> None:
    in_batches(erasing.forget_papers, size=100, at_most=100)


@shared_task
def forget_overdue() -> None:
    forgetting.forget_overdue(at_most=ROWS_OF_A_RUN, now=utc_now())
