"""Asks Stripe what became of a checkout, and records it: for callers that want to know, to end it, or to sweep."""

import datetime as dt

import structlog
from celery import signature
from django.db.models import Q

from core.work import nudge

from ..errors import PaymentProviderDown, PaymentRejected
from ..gateways.contract import SessionOutcome, SessionSnapshot
from ..gateways.stripe import get_gateway
from ..models import Checkout
from ..repricing import mark_outdated
from .outcome import SOONEST_CHECK, record_nothing_sent, record_session, record_session_unknown
from .session import get_checkout, learn_session, submit_checkout

log = structlog.get_logger(__name__)


def settle_checkout(*, checkout_id: int, now: dt.datetime) -> Checkout:
    """Ask Stripe what became of the checkout and record it. A checkout at an outdated price is ended, unless it is
    being paid, and one at the present price replaces it.

    Raises NotFound, PaymentProviderDown, PaymentRejected.
    """
    mark_outdated(checkouts=Checkout.objects.filter(pk=checkout_id), now=now)
    settled = _settle(checkout_id, now)
    if settled.is_outdated and not settled.is_live:
        _submit_successor(settled, now)
    return settled


def _settle(checkout_id: int, now: dt.datetime) -> Checkout:
    checkout = learn_session(get_checkout(checkout_id), now)
    if checkout.stripe_session_id is None:
        return record_nothing_sent(checkout_id=checkout_id, now=now)
    try:
        session = get_gateway().retrieve_session(checkout.stripe_session_id)
        if session.outcome is SessionOutcome.OPEN and checkout.cancel_requested_at:
            session = _expire_session(session.id)
    except PaymentRejected as error:
        if not error.is_unknown:
            raise
        return record_session_unknown(checkout_id=checkout_id, now=now)
    return record_session(checkout_id=checkout_id, session=session, now=now)


def request_cancellation(*, checkout_id: int, now: dt.datetime) -> None:
    """Record the request to end the checkout, as part of the caller's transaction; the worker tells Stripe.

    It stays live until Stripe agrees: if the payer is faster, it is paid.
    """
    _want_ended(checkout_id, now)
    nudge(signature("billing.tasks.cancel_checkout"), checkout_id)


def cancel_checkout(*, checkout_id: int, now: dt.datetime) -> Checkout:
    """End the checkout at Stripe and record the answer: cancelled, or paid if the payer was faster.

    Raises NotFound, PaymentProviderDown (the request is kept, and the sweep continues it).
    """
    _want_ended(checkout_id, now)
    return settle_checkout(checkout_id=checkout_id, now=now)


def check_due_checkouts(*, limit: int = 100, now: dt.datetime) -> int:
    """Settle the live checkouts whose next check is due; return how many were checked.

    Stops when Stripe does not answer; the rest is due again with the next sweep.
    """
    mark_outdated(checkouts=Checkout.objects.all(), now=now)
    due = Checkout.objects.due(now=now).order_by("next_check_at", "pk")
    checked = 0
    for checkout_id in list(due.values_list("pk", flat=True)[:limit]):
        if not _claim_check(checkout_id, now):
            continue
        try:
            try_to_settle(checkout_id=checkout_id, now=now)
        except PaymentProviderDown:
            break
        checked += 1
    return checked


def try_to_settle(*, checkout_id: int, now: dt.datetime) -> None:
    """Settle one of many: its errors are logged, and must not keep the others from being settled.

    Raises PaymentProviderDown, which would affect the others too.
    """
    try:
        settle_checkout(checkout_id=checkout_id, now=now)
    except PaymentProviderDown:
        raise
    except PaymentRejected as error:  # this has ended an intent; a session is checked again later
        log.warning("checkout_rejected", checkout=checkout_id, code=error.provider_code)
    except Exception:
        log.exception("checkout_not_settled", checkout=checkout_id)


def _want_ended(checkout_id: int, now: dt.datetime) -> None:
    live = Checkout.objects.live().filter(pk=checkout_id)
    live.filter(Q(cancel_requested_at=None) | Q(is_outdated=True)).update(
        cancel_requested_at=now, next_check_at=now, is_outdated=False
    )


def _expire_session(session_id: str) -> SessionSnapshot:
    try:
        return get_gateway().expire_session(session_id)
    except PaymentRejected:  # it is no longer open: somebody was faster
        return get_gateway().retrieve_session(session_id)


def _submit_successor(outdated: Checkout, now: dt.datetime) -> None:
    """Submit it. Its own request, or the sweep, retries; a refusal ends it."""
    same = Checkout.objects.live().filter(purpose=outdated.purpose, subject=outdated.subject)
    for checkout_id in same.order_by("pk").values_list("pk", flat=True):
        try:
            submit_checkout(checkout_id=checkout_id, now=now)
        except (PaymentProviderDown, PaymentRejected) as error:
            log.warning("successor_not_submitted", checkout=checkout_id, code=error.code)


def _claim_check(checkout_id: int, now: dt.datetime) -> bool:
    """Claim the check, so that two concurrent sweeps ask only once; one that dies while asking leaves the checkout due
    again a little later.
    """
    due = Checkout.objects.due(now=now).filter(pk=checkout_id)
    return due.update(next_check_at=now + SOONEST_CHECK) == 1
