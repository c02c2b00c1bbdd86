"""A checkout from the intent to charge to what Stripe says became of it.

Stripe decides. Whatever hints that something happened (a webhook, the success page, the sweep, reconciliation, a
person) ends in asking Stripe and recording the answer; recording the same answer again changes nothing.
"""

import datetime as dt
from collections.abc import Iterable

import structlog
from celery import signature
from django.core.cache import cache
from django.db import OperationalError, transaction
from django.db.models import Q

from accounts.staff_tasks import raise_staff_task
from core.clock import utc_now
from core.errors import NotFound, Unavailable
from core.logs import after_commit
from core.numbers import parse_whole_number
from core.work import nudge
from events.publishing import publish

from ..errors import KEY_REUSED, PaymentProviderDown, PaymentRejected
from ..events import CheckoutCancelled, CheckoutExpired, CheckoutRefused, CheckoutReplaced
from ..gateways.contract import SessionOutcome, SessionRequest, SessionSnapshot
from ..gateways.stripe import get_gateway
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
from ..repricing import find_outdated, find_present_price, mark_outdated
from ..states import LIVE_CHECKOUTS, CheckoutStatus

log = structlog.get_logger(__name__)

# Stripe wants at least 30 minutes; the minute more is for the way there.
SHORTEST_TIME = dt.timedelta(minutes=31)
# An intent older than this has outlived every try of the request that made it: the sweep takes it over.
INTENT_GRACE = dt.timedelta(minutes=1)
SOONEST_CHECK = dt.timedelta(minutes=2)
LATEST_CHECK = dt.timedelta(hours=1)
# Stripe is asked this long after the end of a session, when it has surely noticed it.
EXPIRY_SLACK = dt.timedelta(seconds=30)
# How far our clock may be ahead of Stripe's when its lists are searched by creation time.
CLOCK_SLACK = dt.timedelta(minutes=5)
# What is told to whoever wanted to pay what Stripe will not ask for.
REFUSAL = "We can't take this payment at the moment. Nothing was charged, and we know what to fix. Please try later."
# A page that refreshes itself must not turn into a stream of questions to Stripe.
SECONDS_BETWEEN_QUESTIONS = 2


def open_checkout(
    *,
    workspace_id: int,
    purpose: str,
    subject: str,
    price: Price,
    description: str,
    success_url: str,
    cancel_url: str,
    expires_at: dt.datetime,
    metadata: dict[str, str] | None = None,
    customer_email: str = "",
    now: dt.datetime | None = None,
) -> Checkout:
    """Record the intent to charge `price` for the subject, or return the live checkout it already has.

    No network: part of the caller's transaction, which holds the subject's lock. `expires_at` is between 30 minutes and
    24 hours ahead, as Stripe wants it; `metadata` (ids, no people) goes to Stripe with it, and the address of somebody
    signed in, whom the payment page then need not ask. `submit_checkout` follows once that transaction is committed.
    """
    moment = now or utc_now()
    checkout, _ = Checkout.objects.get_or_create(
        purpose=purpose,
        subject=subject,
        status__in=LIVE_CHECKOUTS,
        defaults={
            "workspace_id": workspace_id,
            "price": price,
            "description": description,
            "amount_minor": price.amount_minor,
            "currency": price.currency,
            "stripe_price_id": price.stripe_price_id,
            "success_url": success_url,
            "cancel_url": cancel_url,
            "expires_at": expires_at,
            "metadata": metadata or {},
            "customer_email": customer_email,
            "created_at": moment,
            "next_check_at": moment + INTENT_GRACE,
        },
    )
    return checkout


def submit_checkout(*, checkout_id: int) -> Checkout:
    """Make the Stripe session of a recorded intent and keep its id and address. One that has them is returned as it is.

    However often it is called, and whichever answers are lost, one session is made. Raises NotFound,
    PaymentProviderDown (call it again later) or PaymentRejected: nothing was made, the checkout is over, what was held
    for it is free, and staff have a task that says what to mend.
    """
    checkout = _get_checkout(checkout_id)
    if checkout.stripe_session_id or not checkout.is_live:
        return checkout
    try:
        session = _create_session(checkout)
    except PaymentRejected as error:
        if error.provider_param == "expires_at":  # an outage used up the time that Stripe wants a session to have
            record_nothing_sent(checkout_id=checkout_id, now=utc_now())
            raise PaymentProviderDown("The payment page could not be opened in time; try again.") from error
        _record_refusal(checkout_id, error, utc_now())
        raise PaymentRejected(
            REFUSAL,
            provider_message=error.provider_message,
            provider_code=error.provider_code,
            provider_param=error.provider_param,
        ) from error
    return _remember_session(checkout_id, session)


def settle_checkout(*, checkout_id: int, now: dt.datetime | None = None) -> Checkout:
    """Ask Stripe what became of the checkout and record it. One that asks an outdated price is ended, unless it is
    being paid, and one at the present price takes its place.

    Raises NotFound, PaymentProviderDown, PaymentRejected.
    """
    moment = now or utc_now()
    mark_outdated(checkouts=Checkout.objects.filter(pk=checkout_id), now=moment)
    settled = _settle(checkout_id, moment)
    if settled.is_outdated and not settled.is_live:
        _submit_successor(settled)
    return settled


def _settle(checkout_id: int, moment: dt.datetime) -> Checkout:
    checkout = _learn_session(_get_checkout(checkout_id), moment)
    if checkout.stripe_session_id is None:
        return record_nothing_sent(checkout_id=checkout_id, now=moment)
    try:
        session = get_gateway().retrieve_session(checkout.stripe_session_id)
        if session.outcome is SessionOutcome.OPEN and checkout.cancel_requested_at:
            session = _expire_session(session.id)
    except PaymentRejected as error:
        if not error.is_unknown:
            raise
        return record_session_unknown(checkout_id=checkout_id, now=moment)
    return record_session(checkout_id=checkout_id, session=session, now=moment)


def catch_up_with_stripe(*, checkout: Checkout | None, visit: str) -> bool:
    """Settle a checkout that somebody looks at, if money may still come of it; whether what we know is fresh.

    Repeats of the same `visit` within seconds are answered by what Stripe said to the first: leaving the payment page,
    going back, paying and returning are two visits. Never raises for a payment provider that is down: the sweep asks
    again, and the page says that we wait.
    """
    if checkout is None or not checkout.is_live:
        return True
    key = f"settle:{checkout.pk}:{visit}"
    fresh = cache.get(key)
    if fresh is None:
        fresh = _could_settle(checkout)
        cache.set(key, fresh, timeout=SECONDS_BETWEEN_QUESTIONS)
    return bool(fresh)


def catch_up_with_prices(checkouts: Iterable[Checkout]) -> bool:
    """Bring the checkouts that a page is about to lead to, to the present prices; whether any of them changed by it.
    Never raises for a payment provider that is down: the page says what each of them asks."""
    asked = [checkout for checkout in checkouts if checkout.status == CheckoutStatus.OPEN]
    outdated = find_outdated(checkout for checkout in asked if checkout.cancel_requested_at is None)
    for checkout in outdated:
        catch_up_with_stripe(checkout=checkout, visit="price")
    return bool(outdated)


def request_cancellation(*, checkout_id: int, now: dt.datetime | None = None) -> None:
    """Record that the checkout is to be ended, as part of the caller's transaction; the worker tells Stripe.

    Until Stripe agrees it stays live: should the payer be faster, it is paid.
    """
    _want_ended(checkout_id, now or utc_now())
    nudge(signature("billing.tasks.cancel_checkout"), checkout_id)


def cancel_checkout(*, checkout_id: int, now: dt.datetime | None = None) -> Checkout:
    """End the checkout at Stripe and record what it says: cancelled, or paid if the payer was faster.

    Raises NotFound, PaymentProviderDown (the wish is kept, and the sweep goes on with it).
    """
    _want_ended(checkout_id, now or utc_now())
    return settle_checkout(checkout_id=checkout_id, now=now)


@transaction.atomic
def record_session(*, checkout_id: int, session: SessionSnapshot, now: dt.datetime) -> Checkout:
    """Move our checkout to where Stripe's session is, with the payment and the event that go with it.

    A snapshot that is older than what we know changes nothing: states only move on.
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
    """End an intent of which Stripe knows nothing, and never will."""
    checkout = lock_checkout_with_subject(checkout_id)
    if checkout.stripe_session_id is None:
        _record_end(checkout, now)
    return checkout


@transaction.atomic
def record_session_unknown(*, checkout_id: int, now: dt.datetime) -> Checkout:
    """End a live checkout whose session Stripe knows nothing of: nobody can pay it. Staff look whether somebody did;
    should Stripe tell of it after all, the money counts."""
    checkout = lock_checkout_with_subject(checkout_id)
    if not checkout.is_live:
        return checkout
    _record_end(checkout, now)
    if checkout.is_live:  # a bank had been asked
        record_failure(checkout=checkout, payment=lock_pending_payment(checkout_id), now=now)
    raise_staff_task(
        workspace_id=checkout.workspace_id,
        kind="session_unknown",
        subject=f"checkout:{checkout.pk}",
        summary=f"Stripe does not know the payment page of checkout {checkout.pk}, which was ended. Look in Stripe "
        "whether it was paid, and whether the key in use is of the account that made it.",
    )
    return checkout


def check_due_checkouts(*, limit: int = 100, now: dt.datetime | None = None) -> int:
    """Settle the live checkouts whose time to ask has come; returns how many were asked about.

    Stops when Stripe does not answer; the rest is due again with the next sweep.
    """
    moment = now or utc_now()
    mark_outdated(checkouts=Checkout.objects.all(), now=moment)
    due = Checkout.objects.filter(status__in=LIVE_CHECKOUTS, next_check_at__lte=moment).order_by("next_check_at")
    checked = 0
    for checkout_id in list(due.values_list("pk", flat=True)[:limit]):
        if not _claim_check(checkout_id, moment):
            continue
        try:
            try_to_settle(checkout_id=checkout_id, now=now)
        except PaymentProviderDown:
            break
        checked += 1
    return checked


def try_to_settle(*, checkout_id: int, now: dt.datetime | None = None) -> None:
    """Settle one of many: what goes wrong with this one is logged, and must not keep the others from being settled.

    Raises PaymentProviderDown, which would befall the others too.
    """
    try:
        settle_checkout(checkout_id=checkout_id, now=now)
    except PaymentProviderDown:
        raise
    except PaymentRejected as error:  # an intent has ended by it; of a session, Stripe is asked again
        log.warning("checkout_rejected", checkout=checkout_id, code=error.provider_code)
    except Exception:
        log.exception("checkout_not_settled", checkout=checkout_id)


def adopt_session(*, session: SessionSnapshot) -> int | None:
    """The id of the checkout that this session belongs to, None if it is not ours.

    A session made by a call whose answer we lost is known by its reference, and remembered from now on. Not for
    transactions that hold or will take other locks: it writes to the checkout first.
    """
    known = Checkout.objects.filter(stripe_session_id=session.id).values_list("pk", flat=True).first()
    number = parse_whole_number(session.metadata.get("checkoutId", ""))
    if known is not None or number is None:
        return known
    intent = Checkout.objects.filter(pk=number, stripe_session_id=None).first()
    if intent is None or intent.reference != session.reference:
        return None
    return _remember_session(intent.pk, session).pk


def _could_settle(checkout: Checkout) -> bool:
    try:
        settle_checkout(checkout_id=checkout.pk)
    except (Unavailable, PaymentRejected, OperationalError):
        return False
    return True


def _get_checkout(checkout_id: int) -> Checkout:
    checkout = Checkout.objects.filter(pk=checkout_id).first()
    if checkout is None:
        raise NotFound("There is no such checkout.")
    return checkout


def _want_ended(checkout_id: int, now: dt.datetime) -> None:
    live = Checkout.objects.filter(pk=checkout_id, status__in=LIVE_CHECKOUTS)
    live.filter(Q(cancel_requested_at=None) | Q(is_outdated=True)).update(
        cancel_requested_at=now, next_check_at=now, is_outdated=False
    )


def _create_session(checkout: Checkout) -> SessionSnapshot:
    request = SessionRequest(
        reference=checkout.reference,
        money=checkout.money,
        description=checkout.description,
        provider_price_id=checkout.stripe_price_id,
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
        # Stripe repeats for a day that the first try broke down; whether it made a session all the same, its list says.
        made = _find_session(checkout) if error.is_replay else None
        if made is None:
            raise
        return made
    except PaymentRejected as error:
        # The key went with another request before: something it needs was edited since, and the first may have worked.
        made = _find_session(checkout) if error.provider_code == KEY_REUSED else None
        if made is None:
            raise
        return made


def _find_session(checkout: Checkout) -> SessionSnapshot | None:
    sessions = get_gateway().list_sessions(created_since=checkout.created_at - CLOCK_SLACK)
    return next((session for session in sessions if session.reference == checkout.reference), None)


def _learn_session(checkout: Checkout, now: dt.datetime) -> Checkout:
    """The checkout with its session, which only Stripe may know of; without, if there is none and can be none."""
    if checkout.stripe_session_id or not checkout.is_live:
        return checkout
    if now >= checkout.expires_at + EXPIRY_SLACK:
        made = _find_session(checkout)
        return _remember_session(checkout.pk, made) if made else checkout
    try:
        return submit_checkout(checkout_id=checkout.pk)
    except PaymentRejected:
        if checkout.cancel_requested_at is None:
            raise
        return checkout


def _remember_session(checkout_id: int, session: SessionSnapshot) -> Checkout:
    """One statement keeps the first session that is named; every other call names the same one."""
    is_first = Checkout.objects.filter(pk=checkout_id, stripe_session_id=None).update(
        stripe_session_id=session.id,
        url=session.url,
        expires_at=session.expires_at,
        next_check_at=utc_now() + SOONEST_CHECK,
    )
    checkout = Checkout.objects.get(pk=checkout_id)
    if is_first:
        after_commit(log.info, "checkout_opened", **logged(checkout))
    return checkout


def _expire_session(session_id: str) -> SessionSnapshot:
    try:
        return get_gateway().expire_session(session_id)
    except PaymentRejected:  # it is open no more: somebody was faster
        return get_gateway().retrieve_session(session_id)


@transaction.atomic
def _record_refusal(checkout_id: int, error: PaymentRejected, now: dt.datetime) -> None:
    """End an intent that Stripe refuses, whatever hangs on it, and tell staff what to mend; once for each price."""
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
        publish(CheckoutRefused(**checkout_facts(checkout)), now=now)
    raise_staff_task(
        workspace_id=checkout.workspace_id,
        kind="checkout_refused",
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
        publish(CheckoutReplaced(**checkout_facts(checkout), replacement_id=successor.pk), now=now)
        return
    event = CheckoutCancelled if checkout.cancel_requested_at else CheckoutExpired
    publish(event(**checkout_facts(checkout)), now=now)


def _open_successor(checkout: Checkout, price: Price, now: dt.datetime) -> Checkout:
    """The intent to charge the present price for the same subject, with as much time as the outdated one had."""
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
        now=now,
    )


def _submit_successor(outdated: Checkout) -> None:
    """Its own request, or the sweep, tries again; a refusal has ended it."""
    same = Checkout.objects.filter(purpose=outdated.purpose, subject=outdated.subject, status__in=LIVE_CHECKOUTS)
    for checkout_id in same.values_list("pk", flat=True):
        try:
            submit_checkout(checkout_id=checkout_id)
        except (PaymentProviderDown, PaymentRejected) as error:
            log.warning("successor_not_submitted", checkout=checkout_id, code=error.code)


def _claim_check(checkout_id: int, now: dt.datetime) -> bool:
    """Two sweeps at once ask only once; one that dies while asking leaves the checkout due again a little later."""
    due = Checkout.objects.filter(pk=checkout_id, next_check_at__lte=now)
    return due.update(next_check_at=now + SOONEST_CHECK) == 1


def _next_check(checkout: Checkout, now: dt.datetime) -> dt.datetime:
    """Ever more rarely, but right after the session's end."""
    rarely = now + min(max(now - checkout.created_at, SOONEST_CHECK), LATEST_CHECK)
    end = checkout.expires_at + EXPIRY_SLACK
    return min(rarely, end) if now < end else rarely
