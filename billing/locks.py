"""Every row lock of this app. The purpose's own rows come first (`purposes.lock_subject`), then checkout, then payment.

The series of invoice numbers is locked last of all (`invoicing/numbering.py`). The payment's lock guards its refunds
and disputes. The handler of an inbox row locks it before everything else, and nobody who holds another lock waits for
one.
"""

from collections.abc import Collection

from django.db.models import QuerySet

from core.compiled import compiled
from core.rows import lock_rows

from . import purposes
from .models import Checkout, Mismatch, Payment, StripeEvent
from .states import PaymentStatus


def lock_mismatch(mismatch_id: int) -> Mismatch:
    """Lock a mismatch, before everything that its repair locks."""
    return Mismatch.objects.select_for_update(no_key=True).get(pk=mismatch_id)


def lock_checkout_with_subject(checkout_id: int) -> Checkout:
    """Lock what is being paid for, then the checkout."""
    purpose, subject = _subject_of_checkout.get(checkout_id)
    purposes.lock_subject(purpose, subject)
    return _lock_checkout(checkout_id)


def lock_payment_with_subject(payment_id: int) -> Payment:
    """Lock what was paid for, then the checkout (None for money that came without one), then the payment."""
    purpose, subject, checkout_id = Payment.objects.values_list("purpose", "subject", "checkout_id").get(pk=payment_id)
    purposes.lock_subject(purpose, subject)
    checkout = _lock_checkout(checkout_id) if checkout_id is not None else None
    payment = lock_payment(payment_id)
    payment.checkout = checkout
    return payment


def lock_payments_with_subjects(payment_ids: Collection[int]) -> None:
    """Do the same for several at once, table by table."""
    rows = Payment.objects.filter(pk__in=payment_ids).order_by("pk")
    found = list(rows.values_list("purpose", "subject", "checkout_id"))
    for purpose, subject, _checkout_id in found:
        purposes.lock_subject(purpose, subject)
    if found:
        lock_rows(Checkout, *(checkout_id for _purpose, _subject, checkout_id in found if checkout_id is not None))
        list(rows.select_for_update(no_key=True))


def lock_payment(payment_id: int) -> Payment:
    """Lock the payment alone, for changes that publish nothing."""
    return Payment.objects.select_for_update(no_key=True).get(pk=payment_id)


def lock_payment_of_intent(payment_intent_id: str) -> Payment | None:
    """Return the payment, locked; None while none is recorded for the intent. The checkout's lock keeps two callers
    from recording it.
    """
    return _payment_of_intent.first(payment_intent_id)


def lock_pending_payment(checkout_id: int) -> Payment | None:
    """Lock the money on its way for a locked checkout."""
    pending = Payment.objects.select_for_update(no_key=True).filter(checkout=checkout_id, status=PaymentStatus.PENDING)
    return pending.filter(paid_at=None).first()


def lock_unhandled_event(event_id: str) -> StripeEvent | None:
    """Return None if the event has already been handled, or is being handled by another worker right now."""
    waiting = StripeEvent.objects.select_for_update(skip_locked=True, no_key=True)
    return waiting.filter(event_id=event_id, handled_at__isnull=True).first()


def _lock_checkout(checkout_id: int) -> Checkout:
    return _checkout_to_change.get(checkout_id)


@compiled
def _subject_of_checkout(checkout_id: int) -> QuerySet[Checkout, tuple[str, str]]:
    return Checkout.objects.filter(pk=checkout_id).values_list("purpose", "subject")


@compiled
def _checkout_to_change(checkout_id: int) -> QuerySet[Checkout]:
    """Return the checkout with its price, by which incoming money is invoiced."""
    return Checkout.objects.select_for_update(of=("self",), no_key=True).select_related("price").filter(pk=checkout_id)


@compiled
def _payment_of_intent(payment_intent_id: str) -> QuerySet[Payment]:
    return Payment.objects.select_for_update(no_key=True).filter(payment_intent_id=payment_intent_id)
