"""What billing needs from a payment provider, in our words; `stripe.py` implements it."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

from core.money import Money


class SessionOutcome(Enum):
    """The outcome of a checkout session. Only OPEN and PROCESSING can still change."""

    OPEN = "open"
    PROCESSING = "processing"
    PAID = "paid"
    FAILED = "failed"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """A checkout session to create. `reference` is its idempotency key and its name at the provider."""

    reference: str
    money: Money
    description: str
    provider_price_id: str
    success_url: str
    cancel_url: str
    expires_at: dt.datetime
    metadata: Mapping[str, str]
    customer_email: str = ""  # the payer's, if known
    details: str = ""  # shown to the payer below the description: the list price and the discount


@dataclass(frozen=True, slots=True)
class SessionSnapshot:
    """A checkout session as the provider has it now. Lists leave `payment_intent_status` empty."""

    id: str
    reference: str
    status: str  # open | complete | expired
    payment_status: str  # paid | unpaid | no_payment_required
    amount_minor: int
    currency: str
    payment_intent_id: str | None
    payment_intent_status: str
    payer_email: str
    url: str
    expires_at: dt.datetime
    metadata: Mapping[str, str]
    payer_name: str = ""
    payer_address: str = ""  # each of its lines on a line
    payer_tax_id: str = ""  # of a company

    @property
    def money(self) -> Money:
        return Money(self.amount_minor, self.currency)

    @property
    def outcome(self) -> SessionOutcome:
        if self.status == "open":
            return SessionOutcome.OPEN
        if self.status == "expired":
            return SessionOutcome.EXPIRED
        if self.payment_status != "unpaid":
            return SessionOutcome.PAID
        refused = self.payment_intent_status in ("requires_payment_method", "canceled")
        return SessionOutcome.FAILED if refused else SessionOutcome.PROCESSING


@dataclass(frozen=True, slots=True)
class RefundRequest:
    """Money to send back. `reference` is its idempotency key and its name in the refund's metadata."""

    reference: str
    payment_intent_id: str
    money: Money
    is_duplicate: bool
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RefundSnapshot:
    """A refund as the provider has it now; `reference` is empty if we did not create it."""

    id: str
    reference: str
    payment_intent_id: str
    amount_minor: int
    status: str  # pending | requires_action | succeeded | failed | canceled
    failure_reason: str
    created_at: dt.datetime


@dataclass(frozen=True, slots=True)
class DisputeSnapshot:
    """A dispute as the provider has it now."""

    id: str
    payment_intent_id: str
    amount_minor: int
    reason: str
    status: str  # warning_needs_response | … | needs_response | under_review | won | lost | prevented
    created_at: dt.datetime
    withdrawn_minor: int | None = None  # what it took and did not give back; None if the provider does not say
    is_charge_refundable: bool = False


@dataclass(frozen=True, slots=True)
class EventSnapshot:
    """Something the provider says has happened, reduced to the object it is about."""

    id: str
    type: str
    created_at: dt.datetime
    about: Mapping[str, Any]  # object, id, payment_intent


@dataclass(frozen=True, slots=True)
class PayoutSnapshot:
    """A payout to our bank as the provider has it now."""

    id: str
    amount_minor: int
    currency: str
    status: str  # pending | in_transit | paid | failed | canceled
    is_automatic: bool
    made_at: dt.datetime
    arrival_date: dt.date


@dataclass(frozen=True, slots=True)
class PayoutLineSnapshot:
    """One movement on the balance that a payout included, with the provider's fee; amounts in the payout's currency.
    The last two fields say what it belongs to, as far as the provider knows."""

    id: str
    category: str  # charge | refund | refund_failure | dispute | dispute_reversal | fee | …
    amount_minor: int
    fee_minor: int
    currency: str
    moved_at: dt.datetime
    source_id: str
    payment_intent_id: str
    metadata: Mapping[str, str]


class PaymentGateway(Protocol):
    """Every method is one network call, refused inside a transaction. Each may raise PaymentProviderDown (ask again
    later; the outcome is unknown) or PaymentRejected (asking again changes nothing)."""

    def create_session(self, request: SessionRequest) -> SessionSnapshot: ...

    def retrieve_session(self, session_id: str) -> SessionSnapshot: ...

    def expire_session(self, session_id: str) -> SessionSnapshot:
        """Expire the session. Raises PaymentRejected if it is no longer open."""
        ...

    def list_sessions(self, *, created_since: dt.datetime) -> Iterator[SessionSnapshot]:
        """Return sessions, newest first."""
        ...

    def find_session_of_payment(self, payment_intent_id: str) -> SessionSnapshot | None: ...

    def create_refund(self, request: RefundRequest) -> RefundSnapshot: ...

    def list_refunds(self, payment_intent_id: str) -> Sequence[RefundSnapshot]: ...

    def retrieve_dispute(self, dispute_id: str) -> DisputeSnapshot: ...

    def list_events(self, *, created_since: dt.datetime, types: Sequence[str]) -> Iterator[EventSnapshot]:
        """Return events, newest first."""
        ...

    def list_payouts(self, *, created_since: dt.datetime) -> Iterator[PayoutSnapshot]:
        """Return payouts, newest first."""
        ...

    def list_payout_lines(self, payout_id: str, *, after: str = "") -> Iterator[PayoutLineSnapshot]:
        """Return what an automatic payout included, without the payout itself; `after` is the last line read."""
        ...
