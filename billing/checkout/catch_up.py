"""Brings what a page is about to show up to date with Stripe and with the prices."""

import datetime as dt
from collections.abc import Iterable

from django.core.cache import cache
from django.db import OperationalError

from core.errors import Unavailable

from ..errors import PaymentRejected
from ..models import Checkout
from ..repricing import find_outdated
from ..states import CheckoutStatus
from .settle import settle_checkout

# A page that refreshes itself must not send Stripe a stream of requests.
SECONDS_BETWEEN_QUESTIONS = 2


def catch_up_with_stripe(*, checkout: Checkout | None, visit: str, now: dt.datetime) -> bool:
    """Settle a checkout that somebody is viewing, if it may still bring money; return whether our data is up to date.

    Repeats of the same `visit` within seconds reuse Stripe's answer to the first: leaving the payment page, going back,
    paying, and returning are two visits. Never raises if the payment provider is down: the sweep asks again, and the
    page says that we are waiting.
    """
    if checkout is None or not checkout.is_live:
        return True
    key = f"settle:{checkout.pk}:{visit}"
    fresh = cache.get(key)
    if fresh is None:
        fresh = _could_settle(checkout, now)
        cache.set(key, fresh, timeout=SECONDS_BETWEEN_QUESTIONS)
    return bool(fresh)


def catch_up_with_prices(checkouts: Iterable[Checkout], *, now: dt.datetime) -> bool:
    """Bring the checkouts that a page links to up to the present prices; return whether any of them changed. Never
    raises if the payment provider is down: the page says what each of them charges."""
    asked = [checkout for checkout in checkouts if checkout.status == CheckoutStatus.OPEN]
    outdated = find_outdated(checkout for checkout in asked if checkout.cancel_requested_at is None)
    for checkout in outdated:
        catch_up_with_stripe(checkout=checkout, visit="price", now=now)
    return bool(outdated)


def _could_settle(checkout: Checkout, now: dt.datetime) -> bool:
    try:
        settle_checkout(checkout_id=checkout.pk, now=now)
    except (Unavailable, PaymentRejected, OperationalError):
        return False
    return True
