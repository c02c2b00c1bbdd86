"""Stripe's events: stored once, answered at once, handled afterwards.

An event is a hint, never a fact: the object it is about is fetched from Stripe as it is now, and recorded by the
functions that every other path uses. So neither the order of events nor a repeated one matters.
"""

import datetime as dt
import json
from collections.abc import Callable

import structlog
from celery import signature
from django.db import transaction
from django.db.models import Q

from accounts.staff_tasks import raise_staff_task
from core import retries
from core.logs import after_commit
from core.rows import insert_unless_present
from core.text import fit
from core.work import nudge

from .checkout import adopt_session, record_session
from .disputes import record_dispute
from .errors import BadSignature, PaymentProviderDown, PaymentRejected
from .gateways.contract import EventSnapshot, SessionSnapshot
from .gateways.stripe import event_snapshot, get_gateway, verify_signature
from .locks import lock_unhandled_event
from .models import Checkout, Payment, StripeEvent
from .refunds import record_refunds
from .states import EventSource, PaymentStatus
from .task_kinds import EVENT_STUCK, EVENT_UNKNOWN

log = structlog.get_logger(__name__)

TOLERANCE_SECONDS = 300
# The nudge comes first; the sweep handles the rest.
NUDGE_GRACE = dt.timedelta(seconds=10)
# After this many failures staff are told, while the retries continue.
RETRY = retries.Retry(first_pause_seconds=5, longest_pause_seconds=3600, lease=NUDGE_GRACE, attempts=12)
NOT_OURS = "not ours"

# An event's effect, inside the transaction that marks it handled; returns its outcome in a few words.
Effect = Callable[[], str]


def receive_event(*, raw: bytes, signature_header: str, now: dt.datetime) -> StripeEvent:
    """Store what arrived at the webhook, once, and ask a worker to handle it.

    Raises BadSignature unless Stripe provably sent exactly these bytes within the last five minutes.
    """
    try:
        verify_signature(raw, signature_header, now=now, tolerance_seconds=TOLERANCE_SECONDS)
        snapshot = event_snapshot(json.loads(raw))
    except (ArithmeticError, AttributeError, LookupError, OSError, RecursionError, TypeError, ValueError) as error:
        log.warning("stripe_event_refused", reason=type(error).__name__)
        raise BadSignature("The signature, its timestamp or the body is not what Stripe would send.") from error
    with transaction.atomic():
        is_new = store_event(snapshot=snapshot, source=EventSource.WEBHOOK, now=now)
        event = StripeEvent.objects.get(event_id=snapshot.id)
        if event.handled_at is None:
            nudge(signature("billing.tasks.handle_stripe_event"), event.event_id)
        after_commit(log.info, "stripe_event_stored", event_id=event.event_id, type=event.type, is_new=is_new)
    return event


def store_event(*, snapshot: EventSnapshot, source: EventSource, now: dt.datetime) -> bool:
    """Add an event to the inbox unless it is already there. Types without an effect count as handled once stored."""
    is_ignored = snapshot.type not in _PREPARATIONS
    event = StripeEvent(
        event_id=snapshot.id,
        type=fit(StripeEvent, "type", snapshot.type),
        payload=dict(snapshot.about),
        stripe_created_at=snapshot.created_at,
        received_at=now,
        source=source,
        handled_at=now if is_ignored else None,
        outcome="ignored" if is_ignored else "",
        next_attempt_at=now + NUDGE_GRACE,
    )
    return insert_unless_present(event)


def handle_event(*, event_id: str, now: dt.datetime) -> StripeEvent | None:
    """Bring us up to date with an event's object. Skips events that are handled or that another worker is handling.

    Its effects and the mark that it is handled are one commit. An error is stored on the row, which is retried later.
    """
    event = StripeEvent.objects.filter(event_id=event_id).first()
    if event is None or event.handled_at is not None:
        return event
    try:
        record_effect(event_id=event_id, effect=_prepare(event, now), now=now)
    except PaymentProviderDown as error:
        log.warning("stripe_event_delayed", event_id=event_id, type=event.type)
        _record_failure(event, error, now)
    except Exception as error:  # whatever it is, it must not be lost: the row shows it until a try succeeds
        log.exception("stripe_event_failed", event_id=event_id, type=event.type)
        _record_failure(event, error, now)
    return StripeEvent.objects.get(event_id=event_id)


def record_effect(*, event_id: str, effect: Effect, now: dt.datetime) -> None:
    """Run an event's effect and mark it handled, in one transaction; do nothing if another worker is or was faster."""
    with transaction.atomic():
        event = lock_unhandled_event(event_id)
        if event is None:
            return
        event.outcome = fit(StripeEvent, "outcome", effect())
        event.handled_at = now
        event.last_error = ""
        event.save(update_fields=["outcome", "handled_at", "last_error"])
        after_commit(log.info, "stripe_event_handled", event_id=event_id, type=event.type, outcome=event.outcome)


def handle_due_events(*, limit: int = 200, now: dt.datetime) -> int:
    """Handle the events whose nudge was lost or whose last try failed, oldest first; return how many were tried."""
    due = retries.due(StripeEvent.objects.filter(handled_at=None), now=now)
    event_ids = list(due.values_list("event_id", flat=True)[:limit])
    for event_id in event_ids:
        handle_event(event_id=event_id, now=now)
    return len(event_ids)


def _prepare(event: StripeEvent, now: dt.datetime) -> Effect:
    """Ask Stripe about the event's object. If Stripe does not know it, or refuses to tell, handling ends here for every
    type of event: a retry would get the same answer."""
    try:
        return _PREPARATIONS[event.type](event, now)
    except PaymentRejected as error:  # it belongs to another Stripe account, or one that was recreated
        log.warning("stripe_event_unknown", event_id=event.event_id, type=event.type, code=error.provider_code)
        return lambda: _end_unknown(event)


def _end_unknown(event: StripeEvent) -> str:
    """End the handling. Staff compare the books if money that we know is concerned."""
    about = _find_money(event)
    if about is not None:
        raise_staff_task(
            workspace_id=about.workspace_id,
            kind=EVENT_UNKNOWN,
            subject=f"{about._meta.model_name}:{about.pk}",
            summary=(
                f"Stripe told of a {event.type} but does not know it when asked: compare its dashboard with our "
                "records."
            ),
        )
    return NOT_OURS


def _names_nothing() -> str:
    """End the handling of a signed event that does not say what it is about: no retry would ever find out."""
    return f"names no object: {NOT_OURS}"


def _prepare_session(event: StripeEvent, now: dt.datetime) -> Effect:
    if not event.payload.get("id"):
        return _names_nothing
    session = get_gateway().retrieve_session(event.payload["id"])
    checkout_id = adopt_session(session=session, now=now)
    if checkout_id is None:
        return lambda: NOT_OURS
    return lambda: _record_session(checkout_id, session, now)


def _prepare_refunds(event: StripeEvent, now: dt.datetime) -> Effect:
    intent = event.payload.get("payment_intent", "")
    if not intent:
        return lambda: NOT_OURS
    refunds = get_gateway().list_refunds(intent)

    def record(payment_id: int) -> str:
        payment = record_refunds(payment_id=payment_id, refunds=refunds, now=now)
        return f"payment {payment.pk} is {payment.status}"

    return _for_payment(intent, record, now)


def _prepare_dispute(event: StripeEvent, now: dt.datetime) -> Effect:
    if not event.payload.get("id"):
        return _names_nothing
    snapshot = get_gateway().retrieve_dispute(event.payload["id"])
    if not snapshot.payment_intent_id:  # the charge was not made by one of our sessions
        return lambda: NOT_OURS

    def record(payment_id: int) -> str:
        dispute = record_dispute(payment_id=payment_id, snapshot=snapshot, now=now)
        return f"dispute {dispute.pk} is {dispute.status}"

    return _for_payment(snapshot.payment_intent_id, record, now)


_PREPARATIONS: dict[str, Callable[[StripeEvent, dt.datetime], Effect]] = {
    "checkout.session.completed": _prepare_session,
    "checkout.session.async_payment_succeeded": _prepare_session,
    "checkout.session.async_payment_failed": _prepare_session,
    "checkout.session.expired": _prepare_session,
    "charge.refunded": _prepare_refunds,
    "refund.created": _prepare_refunds,
    "refund.updated": _prepare_refunds,
    "refund.failed": _prepare_refunds,
    "charge.refund.updated": _prepare_refunds,
    "charge.dispute.created": _prepare_dispute,
    "charge.dispute.updated": _prepare_dispute,
    "charge.dispute.closed": _prepare_dispute,
    "charge.dispute.funds_withdrawn": _prepare_dispute,
    "charge.dispute.funds_reinstated": _prepare_dispute,
}
HANDLED_TYPES = tuple(_PREPARATIONS)


def _record_session(checkout_id: int, session: SessionSnapshot, now: dt.datetime) -> str:
    return f"checkout {checkout_id} is {record_session(checkout_id=checkout_id, session=session, now=now).status}"


def _for_payment(intent: str, record: Callable[[int], str], now: dt.datetime) -> Effect:
    """Handle what happened to a payment, after the session that brought it: that session's own event may be late."""
    late = _session_to_catch_up(intent, now)

    def effect() -> str:
        if late is not None:
            _record_session(late[0], late[1], now)
        payment_id = Payment.objects.filter(payment_intent_id=intent).values_list("pk", flat=True).first()
        return NOT_OURS if payment_id is None else record(payment_id)

    return effect


def _session_to_catch_up(intent: str, now: dt.datetime) -> tuple[int, SessionSnapshot] | None:
    if Payment.objects.filter(payment_intent_id=intent).exclude(status=PaymentStatus.PENDING).exists():
        return None
    found = get_gateway().find_session_of_payment(intent)
    checkout_id = adopt_session(session=found, now=now) if found else None
    if found is None or checkout_id is None:
        return None
    return checkout_id, get_gateway().retrieve_session(found.id)


@transaction.atomic
def _record_failure(event: StripeEvent, error: Exception, now: dt.datetime) -> None:
    attempts = event.attempts + 1
    recorded = retries.record_failure(
        StripeEvent.objects.filter(pk=event.pk, handled_at=None),
        retry=RETRY,
        attempts=attempts,
        error=f"{type(error).__name__}: {error}",
        now=now,
    )
    if recorded and RETRY.is_used_up(attempts):
        _tell_staff(event, attempts)


def _tell_staff(event: StripeEvent, attempts: int) -> None:
    """Raise a task in the workspace whose money the event is about; if that is unknown, the error is on the row."""
    about = _find_money(event)
    if about is not None:
        raise_staff_task(
            workspace_id=about.workspace_id,
            kind=EVENT_STUCK,
            subject=f"stripe-event:{event.pk}",
            summary=f"Stripe's {event.type} ({event.event_id}) could not be handled {attempts} times.",
        )


def _find_money(event: StripeEvent) -> Checkout | Payment | None:
    """Return our checkout or payment that an event is about, found by any of the ids it names."""
    about = event.payload.get("id", "")
    intent = event.payload.get("payment_intent", "")
    of_payment = Q(payment_intent_id__in=[known for known in (about, intent) if known])
    of_payment |= Q(disputes__stripe_dispute_id=about) | Q(refunds__stripe_refund_id=about)
    checkout = Checkout.objects.filter(stripe_session_id=about).first() if about else None
    return checkout or Payment.objects.filter(of_payment).first()
