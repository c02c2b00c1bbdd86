"""Background work: each task finds its work in the database, and calls one use case."""

from celery import shared_task

from core.clock import utc_now
from core.work import in_batches

from . import erasing, forgetting

# A row removed individually takes one or two tenths of a second on a busy machine; a worker's task has five minutes.
ROWS_OF_A_RUN = 20_000
ONE_BY_ONE = 500


@shared_task
def forget_papers() -> None:
    in_batches(erasing.forget_papers, size=100, at_most=100)


@shared_task
def forget_overdue() -> None:
    forgetting.forget_overdue(at_most=ROWS_OF_A_RUN, one_by_one=ONE_BY_ONE, now=utc_now())
