"""The intent to charge: a row, before Stripe knows about it."""

import datetime as dt

from ..discounts import Granted, find_minor_again, move_discount, reserve_discount
from ..models import Checkout, Discount, Price
from ..states import LIVE_CHECKOUTS

# Stripe requires at least 30 minutes; the extra minute covers the way there.
SHORTEST_TIME = dt.timedelta(minutes=31)
# An older intent has outlived every retry of the request that created it: the sweep takes over.
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
    granted: Granted | None = None,
    inherited: Discount | None = None,
    now: dt.datetime,
) -> Checkout:
    """Record the intent to charge `price` for the subject, or return its existing live checkout. A discount that was
    `granted` is reserved; one that is `inherited` moves here from the checkout that this one replaces. Both leave
    something to charge. Raises VoucherNotAccepted when the last use has just gone to somebody else.

    No network: this is part of the caller's transaction, which holds the subject's lock. `expires_at` is between 30
    minutes and 24 hours ahead, as Stripe requires. `metadata` (ids, no people) is sent to Stripe with it, and so is the
    address of a signed-in person, so that the payment page need not ask for it. `submit_checkout` follows once that
    transaction is committed.
    """
    discount_minor = granted.minor if granted else 0
    if inherited is not None:
        discount_minor = find_minor_again(discount=inherited, price=price)
    checkout, is_new = Checkout.objects.get_or_create(
        purpose=purpose,
        subject=subject,
        status__in=LIVE_CHECKOUTS,
        defaults={
            "workspace_id": workspace_id,
            "price": price,
            "description": description,
            "amount_minor": price.amount_minor - discount_minor,
            "discount_minor": discount_minor,
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
    if is_new and granted is not None:
        reserve_discount(granted=granted, checkout=checkout, now=now)
    if is_new and inherited is not None:
        move_discount(discount=inherited, checkout=checkout)
    return checkout
