"""Where a payment stands: the one rule that says what is back with the payer, what that means for the payment, and what
may still be sent back. Pure: used by everything that moves money, by the back office, and by the doctor.

It follows Stripe's pages on disputes (https://docs.stripe.com/disputes/how-disputes-work) and the API's dispute object.
An inquiry takes no money, and the payment can be refunded. A dispute takes its amount at once, and Stripe refunds
nothing until it says otherwise (`is_charge_refundable`). If it is won, the amount comes back; if it is lost, it is
gone, and the rest can be refunded.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from .states import FAILED_REFUNDS, NO_MONEY_YET, UNDECIDED_DISPUTES, DisputeStatus, PaymentStatus, RefundStatus


@dataclass(frozen=True, slots=True)
class Contested:
    """A dispute's effect on the money: what the bank has taken because of it and not given back."""

    status: DisputeStatus
    withdrawn_minor: int
    blocks_refunds: bool


@dataclass(frozen=True, slots=True)
class PaymentStanding:
    """In minor units. `returned_minor` is back with the payer for good, `refundable_minor` may still be sent back."""

    status: PaymentStatus
    returned_minor: int
    refundable_minor: int

    @property
    def is_all_back(self) -> bool:
        """Whether all money is back: this, and nothing less, ends whatever was paid for."""
        return self.status == PaymentStatus.REFUNDED


def weigh(
    *,
    present: PaymentStatus,
    amount_minor: int,
    refunds: Iterable[tuple[RefundStatus, int]],
    disputes: Iterable[Contested],
) -> PaymentStanding:
    """Return a payment's standing by its refunds (status and amount) and disputes, in whatever order they came.

    `present` matters while the payment is pending or failed: such money never counted, until it is back.
    """
    refunds = list(refunds)
    disputes = list(disputes)
    refunded = sum(minor for status, minor in refunds if status == RefundStatus.SUCCEEDED)
    promised = sum(minor for status, minor in refunds if status not in FAILED_REFUNDS)
    lost = sum(dispute.withdrawn_minor for dispute in disputes if dispute.status == DisputeStatus.LOST)
    held = sum(dispute.withdrawn_minor for dispute in disputes if dispute.status == DisputeStatus.OPEN)
    is_blocked = any(dispute.blocks_refunds for dispute in disputes if dispute.status == DisputeStatus.OPEN)
    returned = min(refunded + lost, amount_minor)
    return PaymentStanding(
        status=_status(present, amount_minor, returned, disputes),
        returned_minor=returned,
        refundable_minor=0 if is_blocked else max(0, amount_minor - promised - lost - held),
    )


def _status(present: PaymentStatus, amount_minor: int, returned: int, disputes: list[Contested]) -> PaymentStatus:
    if returned == amount_minor:
        return PaymentStatus.REFUNDED  # whatever a bank may still be deciding
    if present in NO_MONEY_YET:
        return present
    if any(dispute.status in UNDECIDED_DISPUTES for dispute in disputes):
        return PaymentStatus.DISPUTED
    return PaymentStatus.PARTIALLY_REFUNDED if returned else PaymentStatus.PAID
