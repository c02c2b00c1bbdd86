"""Work in the background: each task takes ids or finds its work in the database, and calls one use case."""

from celery import shared_task

from core.clock import utc_now
from core.work import in_batches

from . import evaluation
from .application.expiry import forget_unconfirmed
from .application.files import forget_orphans
from .digest import write_digests
from .exit import carry_out_due_exits as carry_out
from .expiry import expire_due


@shared_task
def carry_out_due_exits() -> None:
    in_batches(carry_out, size=50, at_most=20)


# A batch is a transaction; a sweep does so many batches, and the next one goes on.
EXPIRED_AT_ONCE = 500


@shared_task
def expire_enrollments() -> None:
    """Complete what is past its end."""
    in_batches(expire_due, size=EXPIRED_AT_ONCE, at_most=200)


@shared_task
def forget_unconfirmed_applications() -> None:
    """Delete what was typed and uploaded by people who never confirmed their address."""
    forget_unconfirmed(now=utc_now())
    forget_orphans(now=utc_now())


@shared_task
def evaluate_candidates(job_id: int) -> None:
    evaluation.evaluate_candidates(job_id=job_id, now=utc_now())


@shared_task
def continue_due_evaluations() -> None:
    in_batches(evaluation.continue_due_evaluations, size=5, at_most=5)


@shared_task
def write_to_reviewers() -> None:
    write_digests(now=utc_now())
