"""What is left of a payment after refunds and disputes: weighed again (`standing.py`) each time one of them changes."""

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable

from accounts.staff_tasks import raise_staff_task
from core.money import Money
from events.publishing import publish

from .events import PaymentRefunded, PaymentRestored
from .invoicing import correct_invoice
from .models import Dispute, Payment, Refund
from .payments import payment_facts, record_failure
from .standing import Contested, PaymentStanding, weigh
from .states import NO_MONEY_YET, DisputeStatus, PaymentMethod, PaymentStatus, RefundStatus
from .task_kinds import MONEY_CAME_BACK

_MOVES = {
    PaymentStatus.PAID: Payment.restore,
    PaymentStatus.PARTIALLY_REFUNDED: Payment.refund_partly,
    PaymentStatus.REFUNDED: Payment.refund_fully,
    PaymentStatus.DISPUTED: Payment.contest,
}


def standing_of(payment: Payment) -> PaymentStanding:
    """Return a payment's standing after its refunds and disputes. The caller has locked the payment, so nobody else
    promises the same money."""
    return _weighed(
        payment,
        payment.refunds.values_list("status", "amount_minor"),
        payment.disputes.values_list("status", "withdrawn_minor", "blocks_refunds"),
    )


def _weighed(
    payment: Payment, refunds: Iterable[tuple[str, int]], disputes: Iterable[tuple[str, int, bool]]
) -> PaymentStanding:
    return weigh(
        present=PaymentStatus(payment.status),
        amount_minor=payment.amount_minor,
        refunds=[(RefundStatus(status), minor) for status, minor in refunds],
        disputes=[Contested(DisputeStatus(status), minor, blocks) for status, minor, blocks in disputes],
    )


def refundable_minor(payment: Payment) -> int:
    """Return what may be sent back through Stripe, in minor units: everything not on its way back and not withheld."""
    return standing_of(payment).refundable_minor if _can_go_back(payment) else 0


def find_refundable(payments: Collection[Payment]) -> dict[int, Money]:
    """Return the same for many payments, by id and as money, with two queries."""
    refunds: dict[int, list[tuple[str, int]]] = defaultdict(list)
    disputes: dict[int, list[tuple[str, int, bool]]] = defaultdict(list)
    for pk, status, minor in Refund.objects.filter(payment__in=payments).values_list(
        "payment", "status", "amount_minor"
    ):
        refunds[pk].append((status, minor))
    for pk, status, minor, blocks in Dispute.objects.filter(payment__in=payments).values_list(
        "payment", "status", "withdrawn_minor", "blocks_refunds"
    ):
        disputes[pk].append((status, minor, blocks))
    return {
        payment.pk: Money(
            _weighed(payment, refunds[payment.pk], disputes[payment.pk]).refundable_minor, payment.currency
        )
        for payment in payments
        if _can_go_back(payment)
    }


def _can_go_back(payment: Payment) -> bool:
    """Return whether the money is here and came through Stripe."""
    is_here = payment.status not in NO_MONEY_YET or payment.is_mismatch
    return is_here and payment.method == PaymentMethod.STRIPE


def recount_payment(*, payment: Payment, now: dt.datetime) -> None:
    """Bring `refunded_minor` and the status of a locked payment in line with its refunds and disputes.

    Publishes PaymentRefunded when more is back with the payer than before, PaymentRestored when less is. A checkout
    whose money never counted, because the amount did not match, ends once all of it is back: the subject can then be
    paid for properly.
    """
    before = payment.refunded_minor
    was_status = payment.status
    was_mismatch = payment.is_mismatch
    standing = standing_of(payment)
    payment.refunded_minor = standing.returned_minor
    if standing.status != was_status:
        _MOVES[standing.status](payment)
    payment.save(update_fields=["status", "refunded_minor"])
    facts = payment_facts(payment, now) | {"refunded_minor": payment.refunded_minor}
    if payment.refunded_minor > before:
        publish(PaymentRefunded(**facts, fully=standing.is_all_back))
    elif payment.refunded_minor < before:
        publish(PaymentRestored(**facts))
        if was_status == PaymentStatus.REFUNDED:
            _ask_staff_what_to_do(payment)
    if payment.refunded_minor != before:
        correct_invoice(payment=payment, now=now)
    if was_mismatch and standing.is_all_back and payment.checkout is not None:
        record_failure(checkout=payment.checkout, payment=payment, now=now)


def _ask_staff_what_to_do(payment: Payment) -> None:
    """Ask staff what to do: what it paid for ended when all of it was back, and does not resume by itself."""
    here = Money(payment.amount_minor - payment.refunded_minor, payment.currency)
    raise_staff_task(
        workspace_id=payment.workspace_id,
        kind=MONEY_CAME_BACK,
        subject=f"payment:{payment.pk}",
        summary=f"{here} came back to us, after all of it had gone back and what it paid for "
        "had ended: enroll the learner anew, or send it back.",
    )
