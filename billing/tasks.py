"""Billing's background work: each task receives ids, calls one use case, and may run twice or be lost."""

from celery import shared_task

from core.clock import utc_now
from core.work import in_batches

from . import checkout, inbox, invoicing, mismatches, payouts, reconciliation, refunds

# Each row of a sweep waits for Stripe.
BATCH = 10


@shared_task
def handle_stripe_event(event_id: str) -> None:
    inbox.handle_event(event_id=event_id, now=utc_now())


@shared_task
def handle_due_stripe_events() -> None:
    in_batches(inbox.handle_due_events, size=BATCH, at_most=20)


@shared_task
def cancel_checkout(checkout_id: int) -> None:
    checkout.cancel_checkout(checkout_id=checkout_id, now=utc_now())


@shared_task
def check_due_checkouts() -> None:
    in_batches(checkout.check_due_checkouts, size=BATCH, at_most=10)


@shared_task
def submit_refund(refund_id: int) -> None:
    refunds.submit_refund(refund_id=refund_id, now=utc_now())


@shared_task
def submit_due_refunds() -> None:
    in_batches(refunds.submit_due_refunds, size=BATCH, at_most=10)


@shared_task
def issue_invoices(workspace_id: int) -> None:
    invoicing.issue_requested(workspace_id=workspace_id, limit=100, now=utc_now())


@shared_task
def issue_due_invoices() -> None:
    invoicing.ring_for_due_invoices(now=utc_now())


@shared_task
def reconcile_stripe() -> None:
    reconciliation.reconcile_stripe(now=utc_now())


@shared_task
def read_payouts() -> None:
    payouts.list_new_payouts(now=utc_now())
    in_batches(payouts.read_due_payouts, size=BATCH, at_most=10)


@shared_task
def look_for_mismatches() -> None:
    mismatches.look_everywhere(now=utc_now())
