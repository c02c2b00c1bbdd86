"""Background tasks: each takes ids or finds its work in the database, and calls one use case."""

from celery import shared_task

from core.clock import utc_now
from core.work import in_batches

from . import evaluation, reminders
from .allocations.idle.asking import ask_idle
from .allocations.idle.reclaiming import reclaim_due
from .allocations.usage import write_about_seats
from .application.expiry import forget_unconfirmed
from .application.files import forget_orphans
from .digest import write_digests
from .exit import carry_out_due_exits as carry_out
from .expiry import expire_in_batches
from .imports import job as imports
from .imports.files import forget_old_files
from .imports.retention import forget_old_rows
from .leaving import forget_quotes
from .review import inquiries
from .review.held import carry_out_due_reviews


@shared_task
def carry_out_due_exits() -> None:
    in_batches(carry_out, size=50, at_most=20)


@shared_task
def forget_unconfirmed_quotes() -> None:
    in_batches(forget_quotes, size=1000, at_most=100)


@shared_task
def carry_out_held_reviews() -> None:
    in_batches(carry_out_due_reviews, size=50, at_most=20)


@shared_task
def follow_inquiries() -> None:
    """Remind families of open questions, and notify staff of those that nobody answered."""
    in_batches(inquiries.follow_inquiries, size=100, at_most=100)


# One sweep completes this many, and the next one continues.
EXPIRED_AT_ONCE = 100_000
LOOKED_AT_ONCE = 10_000


@shared_task
def expire_enrollments() -> None:
    """Complete enrollments that are past their end."""
    for _ in expire_in_batches(at_most=EXPIRED_AT_ONCE, clock=utc_now):
        pass


@shared_task
def remind_of_ends() -> None:
    """Write to the families of enrollments that are about to end."""
    reminders.remind_of_ends(at_most=LOOKED_AT_ONCE, clock=utc_now)


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
def import_candidates(job_id: int) -> None:
    imports.import_candidates(job_id=job_id, now=utc_now())


@shared_task
def continue_due_imports() -> None:
    in_batches(imports.continue_due_imports, size=5, at_most=5)


@shared_task
def forget_import_files() -> None:
    """Delete the files of imports after their retention period."""
    forget_old_files(now=utc_now())


@shared_task
def forget_imported_rows() -> None:
    """Delete the rows of old imports, a bounded number of batches at a time."""
    in_batches(forget_old_rows, size=5_000, at_most=100)


@shared_task
def write_about_seats_in_use() -> None:
    write_about_seats(now=utc_now())


@shared_task
def ask_about_idle_seats() -> None:
    """Ask the families of idle seats whether they are still coming."""
    ask_idle(now=utc_now())


@shared_task
def reclaim_idle_seats() -> None:
    """Take back idle seats that nobody kept before the deadline."""
    in_batches(reclaim_due, size=50, at_most=20)


@shared_task
def write_to_reviewers() -> None:
    write_digests(now=utc_now())
