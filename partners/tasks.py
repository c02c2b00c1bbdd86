"""Background tasks of partners: each calls one use case and may run twice or be lost."""

from celery import shared_task

from core.clock import utc_now
from core.work import aside, in_batches

from . import ending, enrolling, inbox, polling, service_levels
from .nudges import sending

# A partner that has not answered by then is waited for separately, and the worker turns to others.
PATIENCE_SECONDS = 0.5


@shared_task
def enroll_at_provider(provider_id: int) -> None:
    aside(lambda: enrolling.enroll_at_provider(provider_id=provider_id, now=utc_now()), patience=PATIENCE_SECONDS)


@shared_task
def enroll_due_steps() -> None:
    enrolling.ring_for_due_steps(now=utc_now())


@shared_task
def poll_provider(provider_id: int) -> None:
    aside(lambda: polling.poll_provider(provider_id=provider_id, now=utc_now()), patience=PATIENCE_SECONDS)


@shared_task
def poll_due_steps() -> None:
    polling.ring_for_due_polls(now=utc_now())


@shared_task
def end_at_provider(provider_id: int) -> None:
    aside(lambda: ending.end_at_provider(provider_id=provider_id, now=utc_now()), patience=PATIENCE_SECONDS)


@shared_task
def end_due_steps() -> None:
    ending.ring_for_due_ends(now=utc_now())


@shared_task
def handle_partner_event(event_id: int) -> None:
    inbox.handle_event(event_id=event_id, now=utc_now())


@shared_task
def handle_due_partner_events() -> None:
    in_batches(inbox.handle_due_events, size=inbox.BATCH, at_most=10)


@shared_task
def raise_breaches() -> None:
    in_batches(service_levels.raise_breaches, size=200, at_most=10)


@shared_task
def send_nudges() -> None:
    sending.send_nudges(now=utc_now())
