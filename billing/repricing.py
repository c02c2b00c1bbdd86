"""A price that changes while a checkout is open: nobody is asked for an amount that no page shows any longer.

An outdated checkout is marked here. The next caller to learn from Stripe that its session has ended opens one at the
present price in its place (`checkout/outcome.py`); if it is paid first, that price is honored.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable

from django.db import transaction
from django.db.models import QuerySet

from core.rows import lock_rows

from . import purposes
from .models import Checkout, Price
from .states import CheckoutStatus


def find_present_price(checkout: Checkout) -> Price | None:
    """Return what its subject costs now; None if it is not for sale, or has only the price at which it was opened."""
    price_id = purposes.find_price_ids(checkout.purpose, [checkout.subject]).get(checkout.subject)
    return None if price_id is None else Price.objects.filter(pk=price_id, active=True).first()


def is_outdated(checkout: Checkout) -> bool:
    """Return whether an open checkout charges something other than its subject's current price."""
    return checkout.status == CheckoutStatus.OPEN and bool(find_outdated([checkout]))


def mark_outdated(*, checkouts: QuerySet[Checkout], now: dt.datetime) -> None:
    """Mark the outdated ones to be ended at Stripe, each to be followed by one at the present price."""
    candidates = checkouts.filter(status=CheckoutStatus.OPEN, cancel_requested_at=None)
    outdated = [checkout.pk for checkout in find_outdated(candidates)]
    if outdated:
        with transaction.atomic():
            lock_rows(Checkout, *outdated)
            candidates.filter(pk__in=outdated).update(is_outdated=True, cancel_requested_at=now, next_check_at=now)


def find_outdated(checkouts: Iterable[Checkout]) -> list[Checkout]:
    """Return those of these open checkouts that charge something other than their subjects' current prices."""
    by_purpose: dict[str, list[Checkout]] = defaultdict(list)
    for checkout in checkouts:
        by_purpose[checkout.purpose].append(checkout)
    return [checkout for purpose, group in by_purpose.items() for checkout in _outdated_of(purpose, group)]


def _outdated_of(purpose: str, checkouts: list[Checkout]) -> list[Checkout]:
    price_ids = purposes.find_price_ids(purpose, [checkout.subject for checkout in checkouts])
    prices: dict[int | None, Price] = {}
    prices.update(Price.objects.in_bulk({pk for pk in price_ids.values() if pk is not None}))
    return [
        checkout
        for checkout in checkouts
        if checkout.subject in price_ids and not _asks(checkout, prices.get(price_ids[checkout.subject]))
    ]


def _asks(checkout: Checkout, price: Price | None) -> bool:
    if price is None or not price.active:
        return False
    same_money = checkout.list_money == price.money and checkout.stripe_price_id == price.stripe_price_id
    return same_money and checkout.price_id == price.pk
