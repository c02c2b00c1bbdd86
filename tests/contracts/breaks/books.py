"""What breaks the invariants of the books, and what comes close."""

import datetime as dt
from typing import Any

from billing.models import Payout, PayoutLine
from core.clock import utc_now

from .world import World, breaks, spares


@breaks("billing.payouts_are_their_lines")
def a_payout_with_a_line_that_is_missing(world: World) -> str:
    return f"payout {a_payout(world, amount_minor=9456).pk}"


@breaks("billing.payouts_are_their_lines")
def a_payout_of_nothing(world: World) -> str:
    return f"payout {a_payout(world, lines=0).pk}"


@spares("billing.payouts_are_their_lines")
def payouts_that_are_in_order_not_read_yet_or_came_back(world: World) -> None:
    a_payout(world)
    a_payout(world, amount_minor=9456, lines_read_at=None)
    a_payout(world, amount_minor=9456, status="failed")


def a_payout(world: World, *, lines: int = 1, **changes: Any) -> Payout:
    """One whose lines are the payment of 49.00 USD, less a fee."""
    number = Payout.objects.count()
    told = {"amount_minor": 4728, "currency": "usd", "status": "paid", "is_automatic": True, "made_at": utc_now()}
    told |= {"arrival_date": dt.date(2026, 3, 2), "lines_read_at": utc_now()}
    payout = Payout.objects.create(stripe_id=f"po_{number}", **{**told, **changes})
    for line in range(lines):
        PayoutLine.objects.create(
            payout=payout,
            payment=world.payment,
            workspace=world.payment.workspace,
            stripe_id=f"txn_{number}_{line}",
            kind="payment",
            amount_minor=4900,
            fee_minor=172,
            currency="usd",
            moved_at=utc_now(),
        )
    return payout
