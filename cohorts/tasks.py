"""Sweeps: each finds its work in the database and calls one use case."""

from celery import shared_task

from core.clock import utc_now

from .learning.completion import complete_due_courses
from .learning.reminders import remind_of_sessions as remind
from .learning.stranded import report_stranded_steps, settle_needless_tasks
from .sale.opening import serve_waiting_lines
from .sale.waitlist import end_lines_of_owners, end_lines_of_past_cohorts, expire_due_offers


@shared_task
def expire_waitlist_offers() -> None:
    end_lines_of_owners(now=utc_now())
    expire_due_offers(now=utc_now())
    serve_waiting_lines(now=utc_now())
    end_lines_of_past_cohorts(now=utc_now())


@shared_task
def remind_of_sessions() -> None:
    remind(now=utc_now())


@shared_task
def complete_courses() -> None:
    complete_due_courses(now=utc_now())
    report_stranded_steps(now=utc_now())
    settle_needless_tasks(now=utc_now())
