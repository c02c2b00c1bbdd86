"""Billing's work in the background: each task takes ids, calls one use case and may run twice or be lost."""

from celery import shared_task

from . import checkout, inbox, reconciliation, refunds


@shared_task
def handle_stripe_event(event_id: str) -> None:
    inbox.handle_event(event_id=event_id)


@shared_task
def handle_due_stripe_events() -> None:
    inbox.handle_due_events()


@shared_task
def cancel_checkout(checkout_id: int) -> None:
    checkout.cancel_checkout(checkout_id=checkout_id)


@shared_task
def check_due_checkouts() -> None:
    checkout.check_due_checkouts()


@shared_task
def submit_refund(refund_id: int) -> None:
    refunds.submit_refund(refund_id=refund_id)


@shared_task
def submit_due_refunds() -> None:
    refunds.submit_due_refunds()


@shared_task
def reconcile_stripe() -> None:
    reconciliation.reconcile_stripe()
