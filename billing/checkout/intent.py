"""The intent to charge: a row, before Stripe knows of it."""

import datetime as dt

from ..models import Checkout, Price
from ..states import LIVE_CHECKOUTS

# Stripe wants at least 30 minutes; the minute more is for the way there.
SHORTEST_TIME = dt.timedelta(minutes=31)
# An intent older than this has outlived every try of the request that made it: the sweep takes it over.
INTENT_GRACE = dt.timedelta(minutes=1)


def open_checkout(
    *,
    workspace_id: int,
    purpose: str,
    subject: str,
    price: Price,
    description: str,
    success_url: str,
    cancel_url: str,
    expires_at: dt.datetime,
    metadata: dict[str, str] | None = None,
    customer_email: str = "",
    now: dt.datetime,
) -> Checkout:
    """Record the intent to charge `price` for the subject, or return the live checkout it already has.

    No network: part of the caller's transaction, which holds the subject's lock. `expires_at` is between 30 minutes and
    24 hours ahead, as Stripe wants it; `metadata` (ids, no people) goes to Stripe with it, and the address of somebody
    signed in, whom the payment page then need not ask. `submit_checkout` follows once that transaction is committed.
    """
    checkout, _ = Checkout.objects.get_or_create(
        purpose=purpose,
        subject=subject,
        status__in=LIVE_CHECKOUTS,
        defaults={
            "workspace_id": workspace_id,
            "price": price,
            "description": description,
            "amount_minor": price.amount_minor,
            "currency": price.currency,
            "stripe_price_id": price.stripe_price_id,
            "success_url": success_url,
            "cancel_url": cancel_url,
            "expires_at": expires_at,
            "metadata": metadata or {},
            "customer_email": customer_email,
            "created_at": now,
            "next_check_at": now + INTENT_GRACE,
        },
    )
    return checkout
