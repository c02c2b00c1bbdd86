"""The Stripe session of an intent: created once, found again, and stored."""

import datetime as dt

import structlog
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from core.errors import NotFound
from core.logs import after_commit
from core.numbers import parse_whole_number

from ..discounts import discount_of
from ..errors import KEY_REUSED, PaymentProviderDown, PaymentRejected
from ..gateways.contract import SessionRequest, SessionSnapshot
from ..gateways.stripe import get_gateway
from ..models import Checkout
from ..payments import logged
from .outcome import EXPIRY_SLACK, SOONEST_CHECK, record_nothing_sent, record_refusal

log = structlog.get_logger(__name__)

# How far our clock may be ahead of Stripe's when searching its lists by creation time.
CLOCK_SLACK = dt.timedelta(minutes=5)
# What a payer is told if Stripe refuses to ask for the money.
REFUSAL = gettext_noop(
    "We can't take this payment at the moment. Nothing was charged, and we know what to fix. Please try later."
)


def submit_checkout(*, checkout_id: int, now: dt.datetime) -> Checkout:
    """Create the Stripe session of a recorded intent and store its id and URL. A checkout that has them is left alone.

    However often it is called, and whichever answers are lost, one session is created. Raises NotFound,
    PaymentProviderDown (call it again later), or PaymentRejected: nothing was created, the checkout is over, what was
    held for it is free, and staff have a task that says what to fix.
    """
    checkout = get_checkout(checkout_id)
    if checkout.stripe_session_id or not checkout.is_live:
        return checkout
    try:
        session = _create_session(checkout)
    except PaymentRejected as error:
        if error.provider_param == "expires_at":  # an outage used up the lifetime that Stripe requires of a session
            record_nothing_sent(checkout_id=checkout_id, now=now)
            raise PaymentProviderDown(_("The payment page could not be opened in time; try again.")) from error
        record_refusal(checkout_id=checkout_id, error=error, now=now)
        raise PaymentRejected(
            _(REFUSAL),
            provider_message=error.provider_message,
            provider_code=error.provider_code,
            provider_param=error.provider_param,
        ) from error
    return _remember_session(checkout_id, session, now)


def adopt_session(*, session: SessionSnapshot, now: dt.datetime) -> int | None:
    """Return the id of the checkout that this session belongs to, None if it is not ours.

    A session created by a call whose answer was lost is recognized by its reference, and stored from then on. Don't
    call it in transactions that hold or will take other locks: it writes to the checkout first.
    """
    known = Checkout.objects.filter(stripe_session_id=session.id).values_list("pk", flat=True).first()
    number = parse_whole_number(session.metadata.get("checkoutId", ""))
    if known is not None or number is None:
        return known
    intent = Checkout.objects.filter(pk=number, stripe_session_id=None).first()
    if intent is None or intent.reference != session.reference:
        return None
    return _remember_session(intent.pk, session, now).pk


def learn_session(checkout: Checkout, now: dt.datetime) -> Checkout:
    """Return the checkout with its session, which only Stripe may know; without it if there is and can be none."""
    if checkout.stripe_session_id or not checkout.is_live:
        return checkout
    if now >= checkout.expires_at + EXPIRY_SLACK:
        made = _find_session(checkout)
        return _remember_session(checkout.pk, made, now) if made else checkout
    try:
        return submit_checkout(checkout_id=checkout.pk, now=now)
    except PaymentRejected:
        if checkout.cancel_requested_at is None:
            raise
        return checkout


def get_checkout(checkout_id: int) -> Checkout:
    checkout = Checkout.objects.filter(pk=checkout_id).first()
    if checkout is None:
        raise NotFound("There is no such checkout.")
    return checkout


def _create_session(checkout: Checkout) -> SessionSnapshot:
    discount = discount_of(checkout)
    request = SessionRequest(
        reference=checkout.reference,
        money=checkout.money,
        description=checkout.description,
        details=f"List price {checkout.list_money}, {discount.label} -{discount.money}" if discount else "",
        # A price stored at Stripe is the list price.
        provider_price_id="" if discount else checkout.stripe_price_id,
        success_url=checkout.success_url,
        cancel_url=checkout.cancel_url,
        expires_at=checkout.expires_at,
        customer_email=checkout.customer_email,
        metadata={
            **checkout.metadata,
            "workspaceId": str(checkout.workspace_id),
            "checkoutId": str(checkout.pk),
            "purpose": checkout.purpose,
            "subject": checkout.subject,
        },
    )
    try:
        return get_gateway().create_session(request)
    except PaymentProviderDown as error:
        # Stripe repeats for a day that the first try failed; its list says whether it created a session all the same.
        made = _find_session(checkout) if error.is_replay else None
        if made is None:
            raise
        return made
    except PaymentRejected as error:
        # The key was used with another request before: some of its data was edited since, and the first call may have
        # worked.
        made = _find_session(checkout) if error.provider_code == KEY_REUSED else None
        if made is None:
            raise
        return made


def _find_session(checkout: Checkout) -> SessionSnapshot | None:
    sessions = get_gateway().list_sessions(created_since=checkout.created_at - CLOCK_SLACK)
    return next((session for session in sessions if session.reference == checkout.reference), None)


def _remember_session(checkout_id: int, session: SessionSnapshot, now: dt.datetime) -> Checkout:
    """Store the session in one statement: it keeps the first session named, and every other call names the same one."""
    is_first = Checkout.objects.filter(pk=checkout_id, stripe_session_id=None).update(
        stripe_session_id=session.id,
        url=session.url,
        expires_at=session.expires_at,
        next_check_at=now + SOONEST_CHECK,
    )
    checkout = Checkout.objects.get(pk=checkout_id)
    if is_first:
        after_commit(log.info, "checkout_opened", **logged(checkout))
    return checkout
