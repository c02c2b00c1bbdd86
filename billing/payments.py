"""What a checkout's session brought in: payments, accepted only when they match what was asked.

Each function belongs to a transaction that holds the locks of the subject and of the checkout.
"""

import datetime as dt
from typing import Any

import structlog
from django.db.models import QuerySet

from accounts.staff_tasks import raise_staff_task
from core.compiled import compiled_update
from core.errors import require
from core.logs import after_commit
from core.rows import insert_rows, update_row
from events.publishing import publish

from .discounts import release_discount, use_discount
from .emails import send_invoice
from .events import PaymentFailed, PaymentPending, PaymentSucceeded
from .gateways.contract import SessionSnapshot
from .invoicing import Buyer, issue_invoice
from .locks import lock_payment_of_intent
from .models import Checkout, Payment
from .states import CheckoutStatus, PaymentStatus
from .task_kinds import PAYMENT_MISMATCH

log = structlog.get_logger(__name__)


def record_payment(*, checkout: Checkout, session: SessionSnapshot, now: dt.datetime) -> None:
    """Record money that Stripe says is there. If the amount or currency is not what was asked, it pays for nothing and
    staff get a task."""
    if session.payment_intent_id is None:
        _raise_mismatch(checkout, session, f"checkout:{checkout.pk}")
        return
    payment = _payment_for(checkout, session)
    if payment.paid_at is not None:
        return
    payment.paid_at = now
    if session.money != checkout.money:
        _save(payment, "paid_at")
        after_commit(log.warning, "payment_mismatched", **logged(payment), asked_minor=checkout.amount_minor)
        _remember_payer(checkout, session)
        checkout.save(update_fields=["payer_email"])
        _raise_mismatch(checkout, session, f"payment:{payment.pk}")
        return
    payment.receive()
    _save(payment, "status", "paid_at")
    _remember_payer(checkout, session)
    if checkout.status != CheckoutStatus.PAID:
        checkout.pay()
        checkout.settled_at = now
    update_row(checkout, "status", "settled_at", "payer_email")
    after_commit(log.info, "payment_received", **logged(payment))
    _end_others(checkout, now)
    use_discount(checkout=checkout, now=now)
    publish(PaymentSucceeded(**payment_facts(payment, now)))
    send_invoice(payment=payment, recipient=checkout.payer_email, now=now)
    buyer = Buyer(
        email=session.payer_email,
        name=session.payer_name,
        address=session.payer_address,
        tax_id=session.payer_tax_id,
    )
    issue_invoice(payment=payment, buyer=buyer, now=now)  # last: payments of a workspace wait here for each other


def record_pending_payment(*, checkout: Checkout, session: SessionSnapshot, now: dt.datetime) -> None:
    """Record that the payer chose a method whose bank answers later."""
    payment = _payment_for(checkout, session)
    if payment.pk is not None:
        return
    payment.save()
    _remember_payer(checkout, session)
    if checkout.status == CheckoutStatus.OPEN:
        checkout.await_bank()
    checkout.save(update_fields=["status", "payer_email"])
    after_commit(log.info, "payment_pending", **logged(payment))
    publish(PaymentPending(**payment_facts(payment, now)))


def record_failed_payment(*, checkout: Checkout, session: SessionSnapshot, now: dt.datetime) -> None:
    """Record that the bank refused. The checkout is over; the subject may get a new one."""
    record_failure(checkout=checkout, payment=_payment_for(checkout, session), now=now)


def record_failure(*, checkout: Checkout, payment: Payment | None, now: dt.datetime) -> None:
    """End a live checkout whose money will not come, with its payment if one is recorded."""
    if payment is not None and payment.status == PaymentStatus.PENDING:
        payment.fail()
        payment.save()
    if not checkout.is_live:
        return
    checkout.fail()
    checkout.settled_at = now
    checkout.save(update_fields=["status", "settled_at"])
    after_commit(log.info, "payment_failed", **logged(payment or checkout))
    publish(PaymentFailed(**(payment_facts(payment, now) if payment else checkout_facts(checkout, now))))
    release_discount(checkout=checkout, now=now)


def checkout_facts(checkout: Checkout, now: dt.datetime) -> dict[str, Any]:
    """Return what an event says about a checkout."""
    return _facts(checkout, now) | {"checkout_id": checkout.pk, "payment_id": None}


def payment_facts(payment: Payment, now: dt.datetime) -> dict[str, Any]:
    """Return what an event says about a payment."""
    return _facts(payment, now) | {"checkout_id": payment.checkout_id, "payment_id": payment.pk}


def logged(row: Checkout | Payment) -> dict[str, Any]:
    """Return what a log line says about money: ids and an amount, no people."""
    ids = {"payment": row.pk, "checkout": row.checkout_id} if isinstance(row, Payment) else {"checkout": row.pk}
    return ids | {
        "workspace": row.workspace_id,
        "purpose": row.purpose,
        "subject": row.subject,
        "amount_minor": row.amount_minor,
        "currency": row.currency,
    }


def _facts(row: Checkout | Payment, now: dt.datetime) -> dict[str, Any]:
    return {
        "occurred_at": now,
        "workspace_id": row.workspace_id,
        "purpose": row.purpose,
        "subject": row.subject,
        "amount_minor": row.amount_minor,
        "currency": row.currency,
    }


def _payment_for(checkout: Checkout, session: SessionSnapshot) -> Payment:
    """Return the payment of the session's intent, locked; a new, unsaved one if there is none."""
    intent_id = require(session.payment_intent_id, "a session that was completed with money names its intent")
    return lock_payment_of_intent(intent_id) or Payment(
        workspace_id=checkout.workspace_id,
        checkout=checkout,
        purpose=checkout.purpose,
        subject=checkout.subject,
        payment_intent_id=intent_id,
        amount_minor=session.amount_minor,
        currency=session.currency,
    )


def _end_others(checkout: Checkout, now: dt.datetime) -> None:
    """End the others: a payment that came late leaves nothing open with which the same thing could be paid again. Its
    own checkout is paid by now, and so not among the live ones."""
    _end_live.run(checkout.purpose, checkout.subject, now)


@compiled_update
def _end_live(purpose: str, subject: str, now: dt.datetime) -> tuple[QuerySet[Checkout], dict[str, Any]]:
    live = Checkout.objects.live().filter(purpose=purpose, subject=subject)
    return live, {"cancel_requested_at": now, "is_outdated": False, "next_check_at": now}


def _save(payment: Payment, *changed: str) -> None:
    if payment.pk is None:
        insert_rows([payment])
    else:
        update_row(payment, *changed)


def _remember_payer(checkout: Checkout, session: SessionSnapshot) -> None:
    checkout.payer_email = session.payer_email


def _raise_mismatch(checkout: Checkout, session: SessionSnapshot, subject: str) -> None:
    raise_staff_task(
        workspace_id=checkout.workspace_id,
        kind=PAYMENT_MISMATCH,
        subject=subject,
        summary=(f"The checkout asked for {checkout.money} and {session.money} came. It pays nothing: refund it."),
    )
