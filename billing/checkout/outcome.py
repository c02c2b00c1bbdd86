"""Records what Stripe says became of a checkout, with the payment and the events that belong to it."""

import datetime as dt

import structlog
from django.db import transaction

from accounts.staff_tasks import raise_staff_task
from core.logs import after_commit
from events.publishing import publish

from ..discounts import discount_of, find_minor_again, release_discount
from ..errors import PaymentRejected
from ..events import CheckoutCancelled, CheckoutExpired, CheckoutRefused, CheckoutReplaced
from ..gateways.contract import SessionOutcome, SessionSnapshot
from ..locks import lock_checkout_with_subject, lock_pending_payment
from ..models import Checkout, Price
from ..payments import (
    checkout_facts,
    logged,
    record_failed_payment,
    record_failure,
    record_payment,
    record_pending_payment,
)
from ..repricing import find_present_price
from ..states import CheckoutStatus
from ..task_kinds import CHECKOUT_REFUSED, SESSION_UNKNOWN
from .intent import SHORTEST_TIME, open_checkout

log = structlog.get_logger(__name__)

# The shortest and longest time between two checks of a live checkout.
SOONEST_CHECK = dt.timedelta(minutes=2)
LATEST_CHECK = dt.timedelta(hours=1)
# Stripe is asked this long after a session ends, when it has certainly noticed.
EXPIRY_SLACK = dt.timedelta(seconds=30)


@transaction.atomic
def record_session(*, checkout_id: int, session: SessionSnapshot, now: dt.datetime) -> Checkout:
    """Bring our checkout to the state of Stripe's session, with the payment and the event that belong to it.

    A snapshot that is older than what we know changes nothing: states only move forward.
    """
    checkout = lock_checkout_with_subject(checkout_id)
    match session.outcome:
        case SessionOutcome.EXPIRED:
            _record_end(checkout, now)
        case SessionOutcome.PROCESSING:
            record_pending_payment(checkout=checkout, session=session, now=now)
        case SessionOutcome.PAID:
            record_payment(checkout=checkout, session=session, now=now)
        case SessionOutcome.FAILED:
            record_failed_payment(checkout=checkout, session=session, now=now)
    if checkout.is_live:
        checkout.next_check_at = _next_check(checkout, now)
        checkout.save(update_fields=["next_check_at"])
    return checkout


@transaction.atomic
def record_nothing_sent(*, checkout_id: int, now: dt.datetime) -> Checkout:
    """End an intent that Stripe does not know and never will."""
    checkout = lock_checkout_with_subject(checkout_id)
    if checkout.stripe_session_id is None:
        _record_end(checkout, now)
    return checkout


@transaction.atomic
def record_session_unknown(*, checkout_id: int, now: dt.datetime) -> Checkout:
    """End a live checkout whose session Stripe does not know: nobody can pay it. Staff check whether somebody did; if
    Stripe reports it after all, the money counts."""
    checkout = lock_checkout_with_subject(checkout_id)
    if not checkout.is_live:
        return checkout
    _record_end(checkout, now)
    if checkout.is_live:  # a bank had been asked
        record_failure(checkout=checkout, payment=lock_pending_payment(checkout_id), now=now)
    raise_staff_task(
        workspace_id=checkout.workspace_id,
        kind=SESSION_UNKNOWN,
        subject=f"checkout:{checkout.pk}",
        summary=(
            "Stripe does not know the payment page of the checkout, which was ended. "
            "Check in Stripe whether it was paid, and whether the key in use belongs to the "
            "account that created it."
        ),
    )
    return checkout


@transaction.atomic
def record_refusal(*, checkout_id: int, error: PaymentRejected, now: dt.datetime) -> None:
    """End an intent that Stripe refuses, whatever depends on it, and tell staff what to fix; once for each price."""
    checkout = lock_checkout_with_subject(checkout_id)
    if checkout.stripe_session_id is not None or checkout.status != CheckoutStatus.OPEN:
        return
    if checkout.cancel_requested_at:
        _record_end(checkout, now)
    else:
        checkout.refuse()
        checkout.settled_at = now
        checkout.save(update_fields=["status", "settled_at"])
        after_commit(log.info, "checkout_refused", **logged(checkout))
        publish(CheckoutRefused(**checkout_facts(checkout, now)))
        release_discount(checkout=checkout, now=now)
    raise_staff_task(
        workspace_id=checkout.workspace_id,
        kind=CHECKOUT_REFUSED,
        subject=f"price:{checkout.price_id}" if checkout.price_id else f"checkout:{checkout.pk}",
        summary=f"Nobody can pay {checkout.money} for {checkout.description!r} until this is fixed. "
        f"Stripe says: {error.provider_message}",
    )


def _record_end(checkout: Checkout, now: dt.datetime) -> None:
    if checkout.status != CheckoutStatus.OPEN:
        return
    checkout.settled_at = now
    if checkout.cancel_requested_at:
        checkout.cancel()
    else:
        checkout.expire()
    checkout.save(update_fields=["status", "settled_at"])
    after_commit(log.info, "checkout_ended", **logged(checkout), status=checkout.status)
    if checkout.is_outdated and (price := find_present_price(checkout)):
        successor = _open_successor(checkout, price, now)
        if successor is not None:
            publish(CheckoutReplaced(**checkout_facts(checkout, now), replacement_id=successor.pk))
            return
    event = CheckoutCancelled if checkout.cancel_requested_at else CheckoutExpired
    publish(event(**checkout_facts(checkout, now)))
    release_discount(checkout=checkout, now=now)


def _open_successor(checkout: Checkout, price: Price, now: dt.datetime) -> Checkout | None:
    """Open the intent to charge the present price for the same subject, with as much time as the outdated one had and
    the same discount. Return None if that leaves nothing to charge: the purchase is then free, on a new request."""
    discount = discount_of(checkout)
    off_minor = find_minor_again(discount=discount, price=price) if discount else 0
    if off_minor == price.amount_minor:
        return None
    if not off_minor:
        release_discount(checkout=checkout, now=now)
    return open_checkout(
        workspace_id=checkout.workspace_id,
        purpose=checkout.purpose,
        subject=checkout.subject,
        price=price,
        description=checkout.description,
        success_url=checkout.success_url,
        cancel_url=checkout.cancel_url,
        expires_at=now + max(checkout.expires_at - checkout.created_at, SHORTEST_TIME),
        metadata=checkout.metadata,
        inherited=discount if off_minor else None,
        now=now,
    )


def _next_check(checkout: Checkout, now: dt.datetime) -> dt.datetime:
    """Return the next check: less and less often, but right after the session's end."""
    rarely = now + min(max(now - checkout.created_at, SOONEST_CHECK), LATEST_CHECK)
    end = checkout.expires_at + EXPIRY_SLACK
    return min(rarely, end) if now < end else rarely
