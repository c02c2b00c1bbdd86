"""What billing tells the apps above: they react in the same transaction, with their own rows already locked."""

from dataclasses import dataclass
from typing import ClassVar

from events.event import DomainEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class MoneyEvent(DomainEvent):
    """What all billing events contain: the purpose and subject, and ids to follow; never who paid."""

    purpose: str
    subject: str
    checkout_id: int | None
    payment_id: int | None
    amount_minor: int
    currency: str

    @property
    def aggregate(self) -> str:
        return f"payment:{self.payment_id}" if self.payment_id else f"checkout:{self.checkout_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentEvent(MoneyEvent):
    """Something happened to money that came, or is on its way."""

    payment_id: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutEvent(MoneyEvent):
    """A checkout ended before any money came."""

    checkout_id: int
    payment_id: None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentSucceeded(PaymentEvent):
    """The whole amount is there, checked against what was asked."""

    type: ClassVar[str] = "payment.succeeded"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentPending(PaymentEvent):
    """The payer chose a method whose bank answers later; hold what they are paying for."""

    type: ClassVar[str] = "payment.pending"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentFailed(MoneyEvent):
    """An asynchronous payment failed; the checkout is over. The payment may have no row."""

    type: ClassVar[str] = "payment.failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutExpired(CheckoutEvent):
    """Stripe says that nothing was paid and nothing can be paid any longer."""

    type: ClassVar[str] = "payment.checkout_expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutCancelled(CheckoutEvent):
    """We ended the checkout, and Stripe confirmed that nothing was paid."""

    type: ClassVar[str] = "payment.checkout_cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutRefused(CheckoutEvent):
    """Stripe will not ask for this money: nobody could pay, and nobody can. Staff have a task that says why."""

    type: ClassVar[str] = "payment.checkout_refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckoutReplaced(CheckoutEvent):
    """Its price changed while it was open: nothing was paid, and `replacement_id` charges the present price instead."""

    replacement_id: int
    type: ClassVar[str] = "payment.checkout_replaced"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentRefunded(PaymentEvent):
    """Money went back: `refunded_minor` in total, which is the whole payment when `fully`."""

    refunded_minor: int
    fully: bool
    type: ClassVar[str] = "payment.refunded"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentRestored(PaymentEvent):
    """Money that had gone back is ours again: a refund failed late, or a lost dispute was won. `refunded_minor` is what
    is still back with the payer. What ended because of it stays ended; in that case staff have a task."""

    refunded_minor: int
    type: ClassVar[str] = "payment.restored"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentDisputed(PaymentEvent):
    """The payer's bank contests the payment, or inquires about it; staff have a task, access stays."""

    type: ClassVar[str] = "payment.disputed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentDisputeClosed(PaymentEvent):
    """The dispute is decided, or came to nothing. When lost, the money is gone and a PaymentRefunded follows."""

    won: bool
    type: ClassVar[str] = "payment.dispute_closed"
