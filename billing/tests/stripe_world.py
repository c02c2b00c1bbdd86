"""The parent, the bank and Stripe's webhooks, as billing's tests see them."""

import json
import time
from typing import Any

import stripe
from django.conf import settings
from django.test import Client

from billing import checkout, inbox
from billing.models import Checkout, Payment
from core.clock import utc_now
from events.models import OutboxEvent
from sandbox.testing import SandboxProcess

from .factories import CheckoutFactory


class StripeWorld:
    """The sandbox, with shortcuts. Webhooks are delivered by hand when a test asks for it."""

    def __init__(self, sandbox: SandboxProcess) -> None:
        self.sandbox = sandbox
        self.client = stripe.StripeClient(sandbox.api_key, base_addresses={"api": sandbox.url}, max_network_retries=0)

    def submitted(self, **fields: Any) -> Checkout:
        return checkout.submit_checkout(checkout_id=CheckoutFactory(**fields).pk, now=utc_now())

    def paid(self, **fields: Any) -> Payment:
        """A payment that went all the way."""
        submitted = self.submitted(**fields)
        self.pay(submitted)
        checkout.settle_checkout(checkout_id=submitted.pk, now=utc_now())
        return Payment.objects.get(checkout=submitted)

    def pay(self, submitted: Checkout, *, card: str = "ok") -> int:
        return self.sandbox.pay(submitted.url, card=card, email="parent@example.test").status_code

    def settle_debit(self, submitted: Checkout, *, outcome: str) -> None:
        self.sandbox.settle(submitted.url, outcome=outcome).raise_for_status()

    def events(self, *types: str) -> list[dict[str, Any]]:
        """Return Stripe's events, oldest first."""
        listed = self.client.v1.events.list({"limit": 100}).data
        bodies = [event.to_dict() for event in reversed(listed)]
        return [body for body in bodies if not types or body["type"] in types]

    def event(self, type: str) -> dict[str, Any]:
        (body,) = self.events(type)
        return body

    def tell(self, *bodies: dict[str, Any]) -> None:
        """Deliver events as Stripe does, and let the worker handle each."""
        for body in bodies:
            assert self.post(body).status_code == 200
            inbox.handle_event(event_id=body["id"], now=utc_now())

    def post(self, body: dict[str, Any]) -> Any:
        return post_signed(json.dumps(body).encode())


def signed(raw: bytes, *, at: int | None = None, secret: str = "") -> str:
    """Return the Stripe-Signature header for these bytes."""
    return stripe.WebhookSignature.generate_signature_header(
        raw.decode(), secret or settings.STRIPE_WEBHOOK_SECRET, at or int(time.time())
    )


def post_signed(raw: bytes, *, signature: str | None = None) -> Any:
    headers = {"Stripe-Signature": signed(raw) if signature is None else signature}
    return Client().post("/api/webhooks/stripe", raw, content_type="application/json", headers=headers)


def published() -> list[str]:
    """Return the types of all events in the outbox, in order."""
    return list(OutboxEvent.objects.order_by("id").values_list("type", flat=True))
