"""Money going back: recorded as an intent, submitted to Stripe, and followed to its end.

Stripe's list of a payment's refunds is the truth; refunds that somebody made in Stripe's dashboard become rows too.
"""

import datetime as dt
from collections.abc import Sequence

import structlog
from celery import signature
from django.db import transaction
from django_fsm import can_proceed

from accounts.models import User
from accounts.staff_tasks import raise_staff_task
from core import retries
from core.actors import STRIPE, Actor
from core.errors import NotFound, invalid_field
from core.logs import after_commit
from core.money import Money
from core.text import fit
from core.work import nudge

from .balance import recount_payment, refundable_minor, standing_of
from .errors import PaymentNotRefundable, PaymentProviderDown, PaymentRejected, RefundExceedsPayment
from .gateways.contract import RefundRequest, RefundSnapshot
from .gateways.stripe import get_gateway
from .locks import lock_payment, lock_payment_with_subject
from .models import Payment, Refund
from .prices import check_whole_steps
from .states import (
    FAILED_REFUNDS,
    OPEN_REFUNDS,
    REFUNDABLE,
    DisputeStatus,
    PaymentMethod,
    PaymentStatus,
    RefundReason,
    RefundStatus,
)
from .task_kinds import REFUND_FAILED, REFUND_STUCK

log = structlog.get_logger(__name__)

# Stripe forgets idempotency keys after 24 hours. A refund retried later is looked up first.
KEYS_LAST = dt.timedelta(hours=20)
PENDING_CHECK = dt.timedelta(hours=6)
# After this many failures staff are told, while the retries continue.
RETRY = retries.Retry(first_pause_seconds=10, longest_pause_seconds=3600, lease=dt.timedelta(minutes=2), attempts=12)
_MOVES = {"succeeded": "succeed", "failed": "fail", "canceled": "call_off"}  # any other status waits for the bank


@transaction.atomic
def request_refund(
    *,
    payment_id: int,
    amount_minor: int | None,
    reason: RefundReason,
    actor: Actor,
    note: str = "",
    user: User | None = None,
    now: dt.datetime,
) -> Refund:
    """Decide to send money back: `amount_minor` of it, or with None everything that is left. The worker submits it.

    Raises NotFound, Invalid, PaymentNotRefundable, RefundExceedsPayment; then nothing has changed.
    """
    if amount_minor is not None and amount_minor <= 0:
        raise invalid_field("amount_minor", "min_value", "A refund is at least 1 minor unit.")
    if not Payment.objects.filter(pk=payment_id).exists():
        raise NotFound("There is no such payment.")
    payment = lock_payment(payment_id)
    check_refundable(payment)
    left = refundable_minor(payment)
    amount = left if amount_minor is None else amount_minor
    if amount > left or left <= 0:
        raise RefundExceedsPayment(f"Of this payment, {Money(max(left, 0), payment.currency)} can still be refunded.")
    check_whole_steps(Money(amount, payment.currency), amount_field="amount_minor")
    refund = Refund.objects.create(
        payment=payment,
        amount_minor=amount,
        reason=reason,
        note=fit(Refund, "note", note),
        actor=str(actor),
        requested_by=user,
        created_at=now,
        next_attempt_at=now + RETRY.lease,  # the nudge comes first
    )
    _log(refund)
    nudge(signature("billing.tasks.submit_refund"), refund.pk)
    return refund


def submit_refund(*, refund_id: int, now: dt.datetime) -> Refund:
    """Tell Stripe to send the money back and record its answer; a refund that Stripe already has is returned unchanged.

    Without an answer it stays `requested`, with its error and the time of the next try. If Stripe refuses, it becomes
    `failed` and staff get a task. Raises NotFound.
    """
    refund = Refund.objects.select_related("payment").filter(pk=refund_id).first()
    if refund is None:
        raise NotFound("There is no such refund.")
    if refund.status != RefundStatus.REQUESTED:
        return refund
    try:
        answer = _create_refund(refund, now)
    except PaymentProviderDown as error:
        _record_delay(refund, error, now)
    except PaymentRejected as error:
        _record_refusal(refund, error, now)
    else:
        record_refunds(payment_id=refund.payment_id, refunds=[answer], now=now)
    return Refund.objects.select_related("payment").get(pk=refund_id)


def settle_refunds(*, payment_id: int, now: dt.datetime) -> Payment:
    """Ask Stripe for all refunds of a payment and record them; those that Stripe should know but does not have failed.

    Raises PaymentProviderDown, PaymentRejected.
    """
    payment = Payment.objects.get(pk=payment_id)
    expected = list(payment.refunds.filter(status=RefundStatus.PENDING).values_list("pk", flat=True))
    try:
        refunds = list(get_gateway().list_refunds(str(payment.payment_intent_id)))
    except PaymentRejected as error:
        if not error.is_unknown:
            raise
        refunds = []  # Stripe does not even know the payment
    return _record_all_refunds(payment_id, refunds, expected, now)


@transaction.atomic
def _record_all_refunds(
    payment_id: int, refunds: Sequence[RefundSnapshot], expected: list[int], now: dt.datetime
) -> Payment:
    """Record them. `expected` were pending before Stripe was asked; a refund that another worker submitted in the
    meantime is not treated as missing."""
    payment = record_refunds(payment_id=payment_id, refunds=refunds, now=now)
    listed = [refund.id for refund in refunds]
    pending = payment.refunds.filter(pk__in=expected, status=RefundStatus.PENDING)
    for refund in pending.exclude(stripe_refund_id__in=listed):
        refund.fail()
        refund.failure_reason = "unknown_at_stripe"
        refund.settled_at = now
        refund.save()
        _log(refund)
        _tell_staff(payment, refund)
    pending.update(next_attempt_at=now + PENDING_CHECK)
    return payment


@transaction.atomic
def record_refunds(*, payment_id: int, refunds: Sequence[RefundSnapshot], now: dt.datetime) -> Payment:
    """Bring our refunds to the state of Stripe's, then recount the payment. Older snapshots change nothing."""
    payment = lock_payment_with_subject(payment_id)
    known = list(payment.refunds.order_by("-id"))
    for snapshot in refunds:
        _record_refund(payment, _ours(known, snapshot) or _made_outside(payment, snapshot), snapshot, now)
    recount_payment(payment=payment, now=now)
    return payment


def submit_due_refunds(*, limit: int = 100, now: dt.datetime) -> int:
    """Submit the refunds whose nudge was lost or whose last try failed, and check those that banks still have.

    Return how many were dealt with; stop when Stripe does not answer.
    """
    open_refunds = Refund.objects.filter(status__in=OPEN_REFUNDS)
    done = 0
    for refund in list(retries.due(open_refunds, now=now)[:limit]):
        if not retries.claim(open_refunds.filter(pk=refund.pk), now=now, lease=RETRY.lease):
            continue
        if not _advance(refund, now):
            break
        done += 1
    return done


def _advance(refund: Refund, now: dt.datetime) -> bool:
    """Return False if Stripe does not answer. Any other error concerns this refund alone and must not delay others."""
    try:
        if refund.status == RefundStatus.PENDING:
            settle_refunds(payment_id=refund.payment_id, now=now)
            return True
        return bool(submit_refund(refund_id=refund.pk, now=now).status != RefundStatus.REQUESTED)
    except PaymentProviderDown:
        return False
    except Exception:
        log.exception("refund_not_advanced", refund=refund.pk)
        return True


def check_refundable(payment: Payment) -> None:
    """Raise PaymentNotRefundable if Stripe would send nothing back, whatever is left."""
    if payment.method != PaymentMethod.STRIPE:
        raise PaymentNotRefundable("It was paid outside Stripe. Return the money the same way.")
    is_withheld = payment.disputes.filter(status=DisputeStatus.OPEN).exists() and refundable_minor(payment) == 0
    if is_withheld and payment.status == PaymentStatus.DISPUTED:
        raise PaymentNotRefundable(
            "The payment is disputed: the payer's bank decides about this money, and Stripe "
            "does not refund it in the meantime. Answer or accept the dispute in Stripe, and try "
            "again once it is closed."
        )
    if payment.status not in REFUNDABLE and not payment.is_mismatch:
        raise PaymentNotRefundable(f"A payment that is {payment.get_status_display().lower()} can't be refunded.")


def _create_refund(refund: Refund, now: dt.datetime) -> RefundSnapshot:
    if now - refund.created_at > KEYS_LAST and (made := _find_refund(refund)):
        return made
    request = RefundRequest(
        reference=refund.reference,
        payment_intent_id=str(refund.payment.payment_intent_id),
        money=refund.money,
        is_duplicate=refund.reason == RefundReason.DUPLICATE,
        metadata={
            "workspaceId": str(refund.payment.workspace_id),
            "paymentId": str(refund.payment_id),
            "refundId": str(refund.pk),
        },
    )
    try:
        return get_gateway().create_refund(request)
    except PaymentProviderDown as error:
        made = _find_refund(refund) if error.is_replay else None
        if made is None:
            raise
        return made


def _find_refund(refund: Refund) -> RefundSnapshot | None:
    made = get_gateway().list_refunds(str(refund.payment.payment_intent_id))
    return next((snapshot for snapshot in made if snapshot.reference == refund.reference), None)


def _ours(known: list[Refund], snapshot: RefundSnapshot) -> Refund | None:
    for refund in known:
        named = refund.stripe_refund_id is None and refund.reference == snapshot.reference
        if named or refund.stripe_refund_id == snapshot.id:
            return refund
    return None


def _made_outside(payment: Payment, snapshot: RefundSnapshot) -> Refund:
    return Refund(
        payment=payment,
        amount_minor=snapshot.amount_minor,
        reason=RefundReason.OUTSIDE,
        actor=str(STRIPE),
        created_at=snapshot.created_at,
    )


def _record_refund(payment: Payment, refund: Refund, snapshot: RefundSnapshot, now: dt.datetime) -> None:
    move = getattr(refund, _MOVES.get(snapshot.status, "await_bank"))
    if not can_proceed(move):
        return
    move()
    refund.stripe_refund_id = snapshot.id
    refund.failure_reason = fit(Refund, "failure_reason", snapshot.failure_reason)
    refund.last_error = ""
    refund.next_attempt_at = now + PENDING_CHECK
    refund.settled_at = None if refund.status in OPEN_REFUNDS else now
    refund.save()
    _log(refund)
    if refund.status in FAILED_REFUNDS:
        _tell_staff(payment, refund)


def _record_delay(refund: Refund, error: PaymentProviderDown, now: dt.datetime) -> None:
    attempts = refund.attempts + 1
    with transaction.atomic():
        recorded = retries.record_failure(
            Refund.objects.filter(pk=refund.pk, status=RefundStatus.REQUESTED),
            retry=RETRY,
            attempts=attempts,
            error=str(error),
            now=now,
            retry_after=error.retry_after,
        )
        if recorded and RETRY.is_used_up(attempts):
            raise_staff_task(
                workspace_id=refund.payment.workspace_id,
                kind=REFUND_STUCK,
                subject=f"refund:{refund.pk}",
                summary=f"The refund could not be submitted {attempts} times.",
            )


@transaction.atomic
def _record_refusal(refund: Refund, error: PaymentRejected, now: dt.datetime) -> None:
    payment = lock_payment(refund.payment_id)
    locked = payment.refunds.get(pk=refund.pk)
    if locked.status != RefundStatus.REQUESTED:
        return
    is_settled = standing_of(payment).is_all_back  # by somebody in the dashboard, or by a bank, before we got to it
    if is_settled:
        locked.call_off()
    else:
        locked.fail()
    locked.failure_reason = fit(Refund, "failure_reason", error.provider_code or "rejected")
    locked.last_error = fit(Refund, "last_error", error.provider_message)
    locked.settled_at = now
    locked.save()
    _log(locked)
    if not is_settled:
        _tell_staff(payment, locked)


def _log(refund: Refund) -> None:
    """Log a line for each state that a refund reaches."""
    payment = refund.payment
    after_commit(
        log.info,
        f"refund_{refund.status}",
        refund=refund.pk,
        payment=payment.pk,
        workspace=payment.workspace_id,
        amount_minor=refund.amount_minor,
        currency=payment.currency,
        reason=refund.reason,
    )


def _tell_staff(payment: Payment, refund: Refund) -> None:
    raise_staff_task(
        workspace_id=payment.workspace_id,
        kind=REFUND_FAILED,
        subject=f"refund:{refund.pk}",
        summary=f"The refund failed ({refund.failure_reason or 'no reason given'}). {refund.last_error}".strip(),
    )
