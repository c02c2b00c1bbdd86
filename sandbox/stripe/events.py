"""Events, each with a snapshot of its object, and their webhook copies."""

from contextvars import ContextVar
from dataclasses import dataclass

from sandbox.stripe import webhooks
from sandbox.stripe.models import Event, StripeObject
from sandbox.stripe.rendering import render


@dataclass(frozen=True)
class Cause:
    """The API request behind an event; both fields are unknown for actions of a payer on the hosted page."""

    request_ref: str | None = None
    idempotency_key: str | None = None


NOBODY = Cause()
cause: ContextVar[Cause] = ContextVar("cause", default=NOBODY)


def publish(*types: str, about: StripeObject) -> None:
    """Record one event of each type about the object as it is now, and queue its webhooks. Runs in a transaction."""
    snapshot = render(about)
    for type in types:
        event = Event.objects.create(
            type=type,
            snapshot=snapshot,
            request_ref=cause.get().request_ref,
            idempotency_key=cause.get().idempotency_key,
        )
        webhooks.enqueue(event)
