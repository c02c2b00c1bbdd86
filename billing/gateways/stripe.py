"""The only place that talks to Stripe."""

import datetime as dt
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar, cast

import stripe
import structlog
from django.conf import settings
from django.utils.translation import gettext

from core.addresses import address_fault, canonical_address
from core.breaker import Breaker
from core.network import forbid_open_transaction
from core.numbers import parse_whole_number
from core.text import shorten
from core.timings import timed_call

from ..errors import KEY_REUSED, PaymentProviderDown, PaymentRejected
from .amounts import from_stripe, to_stripe
from .contract import (
    DisputeSnapshot,
    EventSnapshot,
    PaymentGateway,
    PayoutLineSnapshot,
    PayoutSnapshot,
    RefundRequest,
    RefundSnapshot,
    SessionRequest,
    SessionSnapshot,
)

log = structlog.get_logger(__name__)
T = TypeVar("T")

CONNECT_SECONDS = 3.0
PAGE = 100
# Stripe's limits in characters: docs.stripe.com/metadata, and its answers to longer product names.
METADATA_KEYS = 50
METADATA_KEY_LENGTH = 40
METADATA_VALUE_LENGTH = 500
PRODUCT_NAME_LENGTH = 250
# Refused keys are the operator's mistake, not the payer's: with the right key, the same call succeeds later.
_RETRYABLE = (
    stripe.APIConnectionError,
    stripe.RateLimitError,
    stripe.AuthenticationError,
    stripe.PermissionError,
)
_EXPAND_INTENT = ["payment_intent"]


def get_gateway() -> PaymentGateway:
    """Return the gateway for the present settings; the whole process shares one client and its connections."""
    return _connect(
        settings.STRIPE_SECRET_KEY,
        settings.STRIPE_API_BASE,
        settings.STRIPE_TIMEOUT_SECONDS,
        settings.STRIPE_MAX_RETRIES,
    )


@functools.lru_cache(maxsize=4)
def _connect(secret_key: str, api_base: str, timeout_seconds: float, max_retries: int) -> "StripeGateway":
    client = stripe.StripeClient(
        secret_key,
        base_addresses={"api": api_base},
        # Named explicitly, so that other installed packages do not choose the HTTP library: stripe itself requires
        # requests, which keeps a connection per thread and has separate timeouts for connecting and reading.
        http_client=stripe.RequestsClient(timeout=(CONNECT_SECONDS, timeout_seconds)),
        max_network_retries=max_retries,
    )
    return StripeGateway(client, Breaker(failures=5, seconds=15))


class StripeGateway:
    """Implements PaymentGateway with Stripe's API."""

    def __init__(self, client: stripe.StripeClient, breaker: Breaker) -> None:
        self._stripe = client.v1
        self._breaker = breaker

    def create_session(self, request: SessionRequest) -> SessionSnapshot:
        params = {
            "mode": "payment",
            "line_items": [_line_item(request)],
            "success_url": request.success_url,
            "cancel_url": request.cancel_url,
            "expires_at": int(request.expires_at.timestamp()),
            "client_reference_id": request.reference,
            "tax_id_collection": {"enabled": True},  # a company may want its tax id on the invoice
            "metadata": (metadata := _short_metadata(request.metadata)),
            "payment_intent_data": {"metadata": metadata},
            **({"customer_email": request.customer_email} if request.customer_email else {}),
        }
        options: stripe.RequestOptions = {"idempotency_key": request.reference}
        # An account that may not charge is not an outage: the payer is told now, and staff fix it.
        return self._ask(
            lambda: _session(self._stripe.checkout.sessions.create(cast(Any, params), options)),
            final=(stripe.PermissionError,),
        )

    def retrieve_session(self, session_id: str) -> SessionSnapshot:
        return self._ask(
            lambda: _session(self._stripe.checkout.sessions.retrieve(session_id, {"expand": _EXPAND_INTENT}))
        )

    def expire_session(self, session_id: str) -> SessionSnapshot:
        return self._ask(lambda: _session(self._stripe.checkout.sessions.expire(session_id)))

    def list_sessions(self, *, created_since: dt.datetime) -> Iterator[SessionSnapshot]:
        created: Any = {"gte": int(created_since.timestamp())}
        return self._pages(
            lambda after: self._stripe.checkout.sessions.list(
                cast(Any, {"created": created, "limit": PAGE, **({"starting_after": after} if after else {})})
            ),
            _session,
        )

    def find_session_of_payment(self, payment_intent_id: str) -> SessionSnapshot | None:
        found = self._ask(
            lambda: self._stripe.checkout.sessions.list({"payment_intent": payment_intent_id, "limit": 1}).data
        )
        return _session(found[0]) if found else None

    def create_refund(self, request: RefundRequest) -> RefundSnapshot:
        params = {
            "payment_intent": request.payment_intent_id,
            "amount": to_stripe(request.money),
            "reason": "duplicate" if request.is_duplicate else "requested_by_customer",
            "metadata": _short_metadata({**request.metadata, "reference": request.reference}),
        }
        options: stripe.RequestOptions = {"idempotency_key": request.reference}
        return self._ask(lambda: _refund(self._stripe.refunds.create(cast(Any, params), options)))

    def list_refunds(self, payment_intent_id: str) -> Sequence[RefundSnapshot]:
        return list(
            self._pages(
                lambda after: self._stripe.refunds.list(
                    cast(
                        Any,
                        {
                            "payment_intent": payment_intent_id,
                            "limit": PAGE,
                            **({"starting_after": after} if after else {}),
                        },
                    )
                ),
                _refund,
            )
        )

    def retrieve_dispute(self, dispute_id: str) -> DisputeSnapshot:
        return self._ask(lambda: _dispute(self._stripe.disputes.retrieve(dispute_id)))

    def list_events(self, *, created_since: dt.datetime, types: Sequence[str]) -> Iterator[EventSnapshot]:
        created: Any = {"gte": int(created_since.timestamp())}
        return self._pages(
            lambda after: self._stripe.events.list(
                cast(
                    Any,
                    {
                        "created": created,
                        "types": list(types),
                        "limit": PAGE,
                        **({"starting_after": after} if after else {}),
                    },
                )
            ),
            lambda event: event_snapshot(event.to_dict()),
        )

    def list_payouts(self, *, created_since: dt.datetime) -> Iterator[PayoutSnapshot]:
        created: Any = {"gte": int(created_since.timestamp())}
        return self._pages(
            lambda after: self._stripe.payouts.list(
                cast(Any, {"created": created, "limit": PAGE, **({"starting_after": after} if after else {})})
            ),
            _payout,
        )

    def list_payout_lines(self, payout_id: str, *, after: str = "") -> Iterator[PayoutLineSnapshot]:
        asked = {"payout": payout_id, "limit": PAGE, "expand": ["data.source"]}
        lines = self._pages(
            lambda last: self._stripe.balance_transactions.list(
                cast(Any, {**asked, **({"starting_after": last} if last else {})})
            ),
            _payout_line,
            after=after,
        )
        return (line for line in lines if line.source_id != payout_id)

    def _pages(self, fetch: Callable[[str], Any], convert: Callable[[Any], T], *, after: str = "") -> Iterator[T]:
        while True:
            page = self._ask(functools.partial(fetch, after))
            yield from map(convert, page.data)
            if not page.has_more or not page.data:
                return
            after = page.data[-1].id

    def _ask(self, call: Callable[[], T], *, final: tuple[type[stripe.StripeError], ...] = ()) -> T:
        """Call Stripe. `final` are errors that would be worth a retry elsewhere, but end this call."""
        forbid_open_transaction()
        if wait := self._breaker.seconds_left():
            raise PaymentProviderDown(
                gettext("Stripe has not been answering; we are leaving it alone for a moment."), retry_after=wait
            )
        with timed_call("stripe") as outcome:
            try:
                answer = call()
            except stripe.StripeError as error:
                refusal = _rejected(error) if isinstance(error, final) else _translated(error)
                if isinstance(refusal, PaymentProviderDown):
                    self._breaker.record_failure()
                else:
                    self._breaker.record_answer()
                    outcome.name = "refused"
                kind = type(error).__name__
                log.warning("stripe_error", kind=kind, status=error.http_status, request=error.request_id)
                raise refusal from error
            outcome.name = "answered"
        self._breaker.record_answer()
        return answer


def _translated(error: stripe.StripeError) -> PaymentProviderDown | PaymentRejected:
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    status = error.http_status or 500  # a 409: another call with this idempotency key is still running
    if isinstance(error, _RETRYABLE) or status == 409 or status >= 500:
        return PaymentProviderDown(
            gettext("Stripe can't be reached or is busy; nothing is lost, try again shortly."),
            retry_after=parse_whole_number(headers.get("retry-after", "")),
            is_replay=headers.get("idempotent-replayed") == "true",
        )
    return _rejected(error)


def _rejected(error: stripe.StripeError) -> PaymentRejected:
    key_was_used = isinstance(error, stripe.IdempotencyError)
    return PaymentRejected(
        provider_message=error.user_message or type(error).__name__,
        provider_code=error.code or (KEY_REUSED if key_was_used else ""),
        provider_param=getattr(error, "param", None) or "",
    )


def _line_item(request: SessionRequest) -> dict[str, Any]:
    if request.provider_price_id:
        return {"price": request.provider_price_id, "quantity": 1}
    return {
        "price_data": {
            "currency": request.money.currency,
            "unit_amount": to_stripe(request.money),
            "product_data": {
                "name": shorten(request.description, PRODUCT_NAME_LENGTH),
                **({"description": request.details} if request.details else {}),
            },
        },
        "quantity": 1,
    }


def _short_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return as much of the metadata as Stripe accepts. Its keys are words in our code, so too many or too long ones
    are our mistake.
    """
    if len(metadata) > METADATA_KEYS or any(len(key) > METADATA_KEY_LENGTH for key in metadata):
        raise ValueError(f"Stripe takes {METADATA_KEYS} keys of metadata with {METADATA_KEY_LENGTH} characters each.")
    return {key: shorten(value, METADATA_VALUE_LENGTH) for key, value in metadata.items()}


def _moment(seconds: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(seconds, tz=dt.UTC)


def _session(session: stripe.checkout.Session) -> SessionSnapshot:
    intent = session.payment_intent
    expanded = intent if isinstance(intent, stripe.PaymentIntent) else None
    payer = session.customer_details
    return SessionSnapshot(
        id=session.id,
        reference=session.client_reference_id or "",
        status=session.status or "open",
        payment_status=session.payment_status,
        amount_minor=from_stripe(session.amount_total or 0, session.currency or ""),
        currency=session.currency or "",
        payment_intent_id=expanded.id if expanded else cast(str | None, intent),
        payment_intent_status=expanded.status if expanded else "",
        payer_email=_address_or_nothing(payer.email if payer else None),
        payer_name=(payer.name if payer else None) or "",
        payer_address=_address(payer.address) if payer and payer.address else "",
        payer_tax_id=_tax_id(payer),
        url=session.url or "",
        expires_at=_moment(session.expires_at),
        metadata=_metadata(session),
    )


def _address_or_nothing(email: str | None) -> str:
    """Return the address, or nothing if we can't store it whole or write to it: a part of it is somebody else's."""
    return canonical_address(email) if email and not address_fault(email) else ""


def _address(address: Any) -> str:
    region = " ".join(filter(None, [address.state, address.postal_code]))
    town = ", ".join(filter(None, [address.city, region]))
    return "\n".join(filter(None, [address.line1, address.line2, town, address.country]))


def _tax_id(payer: Any) -> str:
    """Return the first tax id that a company gave on the payment page."""
    given = (getattr(payer, "tax_ids", None) or []) if payer else []
    return str(given[0].value or "") if given else ""


def _refund(refund: stripe.Refund) -> RefundSnapshot:
    return RefundSnapshot(
        id=refund.id,
        reference=_metadata(refund).get("reference", ""),
        payment_intent_id=str(refund.payment_intent),
        amount_minor=from_stripe(refund.amount, refund.currency),
        status=refund.status or "pending",
        failure_reason=getattr(refund, "failure_reason", None) or "",
        created_at=_moment(refund.created),
    )


def _dispute(dispute: stripe.Dispute) -> DisputeSnapshot:
    return DisputeSnapshot(
        id=dispute.id,
        payment_intent_id=str(dispute.payment_intent or ""),
        amount_minor=from_stripe(dispute.amount, dispute.currency),
        reason=dispute.reason,
        status=dispute.status,
        created_at=_moment(dispute.created),
        withdrawn_minor=_withdrawn(dispute),
        is_charge_refundable=bool(getattr(dispute, "is_charge_refundable", False)),
    )


def _withdrawn(dispute: stripe.Dispute) -> int | None:
    """Return what a dispute's balance transactions took and did not give back, as a share of its amount: they are in
    the account's currency, which may differ."""
    moved = [transaction.amount for transaction in getattr(dispute, "balance_transactions", None) or []]
    taken = -sum(amount for amount in moved if amount < 0)
    if not taken:
        return None if dispute.status in ("needs_response", "under_review", "lost") else 0
    share: int = round(from_stripe(dispute.amount, dispute.currency) * max(0, -sum(moved)) / taken)
    return share


def _payout(payout: stripe.Payout) -> PayoutSnapshot:
    return PayoutSnapshot(
        id=payout.id,
        amount_minor=from_stripe(payout.amount, payout.currency),
        currency=payout.currency,
        status=payout.status,
        is_automatic=payout.automatic,
        made_at=_moment(payout.created),
        arrival_date=_moment(payout.arrival_date).date(),
    )


def _payout_line(moved: stripe.BalanceTransaction) -> PayoutLineSnapshot:
    """Return a payout line. We store the net amount Stripe pays out, so the fee is the rest in our minor units."""
    source: Any = moved.source
    amount = from_stripe(moved.amount, moved.currency)
    return PayoutLineSnapshot(
        id=moved.id,
        category=moved.reporting_category,
        amount_minor=amount,
        fee_minor=amount - from_stripe(moved.net, moved.currency),
        currency=moved.currency,
        moved_at=_moment(moved.created),
        source_id=source if isinstance(source, str) else getattr(source, "id", ""),
        payment_intent_id=str(getattr(source, "payment_intent", None) or ""),
        metadata=_metadata(source) if hasattr(source, "metadata") else {},
    )


def _metadata(thing: Any) -> Mapping[str, str]:
    return cast(Mapping[str, str], thing.metadata.to_dict()) if thing.metadata else {}


def event_snapshot(body: Mapping[str, Any]) -> EventSnapshot:
    """Return an event from its JSON. Raises KeyError, TypeError, or ValueError if it does not have Stripe's shape."""
    thing = body["data"]["object"]
    return EventSnapshot(
        id=_text(body["id"]),
        type=_text(body["type"]),
        created_at=_moment(int(body["created"])),
        about={
            name: _text(thing[name]) for name in ("object", "id", "payment_intent") if isinstance(thing.get(name), str)
        },
    )


def _text(value: Any) -> str:
    """Return identifiers in a form that every database can store."""
    if not isinstance(value, str) or not 0 < len(value) <= 255 or not value.isascii() or not value.isprintable():
        raise ValueError("an identifier of the event is not one")
    return value


def verify_signature(raw: bytes, signature: str, *, now: dt.datetime, tolerance_seconds: int) -> None:
    """Check the webhook signature of the exact bytes received, and that it is neither stale nor from the future.

    Raises ValueError or TypeError for anything that can't be trusted; the library itself accepts future times, and
    raises several kinds of exceptions for malformed input.
    """
    try:
        text = raw.decode("utf-8")
        stripe.WebhookSignature.verify_header(text, signature, settings.STRIPE_WEBHOOK_SECRET)
    except stripe.SignatureVerificationError as error:
        raise ValueError(str(error)) from error
    moments = (value for name, _, value in (part.partition("=") for part in signature.split(",")) if name == "t")
    signed_at = parse_whole_number(next(moments))
    if signed_at is None or abs(now.timestamp() - signed_at) > tolerance_seconds:
        raise ValueError("the timestamp is too far from now")
