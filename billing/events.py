"""What billing tells the apps above: they react in the same transaction, with their own rows already locked."""

from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class MoneyEvent:
    """What all of billing's events say: which purpose and subject, and ids to follow; never who paid."""

    workspace_id: int
    purpose: str
    subject: str
    checkout_id: int | None
    payment_id: int | None
    amount_minor: int
    currency: str

    type: ClassVar[str]
    starts_aggregate: ClassVar[bool] = False

    @property
    def aggregate(self) -> str:
        return f"payment:{self.payment_id}" if self.payment_id else f"checkout:{self.checkout_id}"

    def payload(self) -> dict[str, Any]:
        return {
            "purpose": self.purpose,
            "subject": self.subject,
            "checkout_id": self.checkout_id,
            "payment_id": self.payment_id,
            "amount_minor": self.amount_minor,
            "currency": self.currency,
        }


@dataclass(frozen=True, slots=True)
class PaymentSucceeded(MoneyEvent):
    """The whole amount is there, checked against what was asked."""

    type: ClassVar[str] = "payment.succeeded"


@dataclass(frozen=True, slots=True)
class PaymentPending(MoneyEvent):
    """The payer chose a method whose bank answers later; hold what they are paying for."""

    type: ClassVar[str] = "payment.pending"


@dataclass(frozen=True, slots=True)
class PaymentFailed(MoneyEvent):
    """An asynchronous payment did not go through; the checkout is over."""

    type: ClassVar[str] = "payment.failed"


@dataclass(frozen=True, slots=True)
class CheckoutExpired(MoneyEvent):
    """Stripe says that nothing was paid and nothing can be paid any longer."""

    type: ClassVar[str] = "payment.checkout_expired"


@dataclass(frozen=True, slots=True)
class CheckoutCancelled(MoneyEvent):
    """We ended the checkout, and Stripe confirmed that nothing was paid."""

    type: ClassVar[str] = "payment.checkout_cancelled"


@dataclass(frozen=True, slots=True)
class CheckoutRefused(MoneyEvent):
    """Stripe will not ask for this money: nobody could pay, and nobody can. Staff have a task that says why."""

    type: ClassVar[str] = "payment.checkout_refused"


@dataclass(frozen=True, slots=True)
class CheckoutReplaced(MoneyEvent):
    """Its price changed while it was open: nothing was paid, and `replacement_id` asks the present price instead."""

    replacement_id: int = 0
    type: ClassVar[str] = "payment.checkout_replaced"

    def payload(self) -> dict[str, Any]:
        return MoneyEvent.payload(self) | {"replacement_id": self.replacement_id}


@dataclass(frozen=True, slots=True)
class PaymentRefunded(MoneyEvent):
    """Money went back: `refunded_minor` in all, which is the whole payment when `fully`."""

    refunded_minor: int = 0
    fully: bool = False
    type: ClassVar[str] = "payment.refunded"

    def payload(self) -> dict[str, Any]:
        return MoneyEvent.payload(self) | {"refunded_minor": self.refunded_minor, "fully": self.fully}


@dataclass(frozen=True, slots=True)
class PaymentRestored(MoneyEvent):
    """Money that had gone back is ours again: a refund failed late, or a lost dispute was won. `refunded_minor` is
    still back. What ended by it stays ended; staff have a task then."""

    refunded_minor: int = 0
    type: ClassVar[str] = "payment.restored"

    def payload(self) -> dict[str, Any]:
        return MoneyEvent.payload(self) | {"refunded_minor": self.refunded_minor}


@dataclass(frozen=True, slots=True)
class PaymentDisputed(MoneyEvent):
    """The payer's bank contests the payment, or asks about it; staff have a task, access stays."""

    type: ClassVar[str] = "payment.disputed"


@dataclass(frozen=True, slots=True)
class PaymentDisputeClosed(MoneyEvent):
    """The dispute is decided, or came to nothing. When lost, the money is gone and a PaymentRefunded follows."""

    won: bool = True
    type: ClassVar[str] = "payment.dispute_closed"

    def payload(self) -> dict[str, Any]:
        return MoneyEvent.payload(self) | {"won": self.won}
