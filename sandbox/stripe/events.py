"""What happened, as events with a snapshot of the object, and the webhook copies of each."""

from contextvars import ContextVar
from dataclasses import dataclass

from sandbox.stripe import webhooks
from sandbox.stripe.models import Event, StripeObject
from sandbox.stripe.rendering import render


@dataclass(frozen=True)
class Cause:
    """The API request that made things happen; neither is known for what a payer does on the hosted page."""

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
