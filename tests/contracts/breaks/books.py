"""Breaches of the invariants of the books, and near misses."""

import datetime as dt

from billing.models import MonthClose, Payout
from billing.tests.factories import paid_out
from core.clock import utc_now

from .world import World, breaks, spares


@breaks("billing.payouts_are_their_lines")
def a_payout_of_more_than_its_lines(world: World) -> str:
    return f"payout {paid_out(world.payment, off_by=1).payout_id}"


@breaks("billing.payouts_are_their_lines")
def a_payout_of_nothing(world: World) -> str:
    line = paid_out(world.payment)
    line.delete()
    return f"payout {line.payout_id}"


@spares("billing.payouts_are_their_lines")
def payouts_that_are_in_order_not_read_yet_or_came_back(world: World) -> None:
    paid_out(world.payment)
    unread, returned = (paid_out(world.payment, off_by=1).payout_id for _ in range(2))
    Payout.objects.filter(pk=unread).update(lines_read_at=None)
    Payout.objects.filter(pk=returned).update(status="failed")


@breaks("billing.closed_months_are_their_lines")
def a_month_that_was_frozen_at_more_than_its_lines(world: World) -> str:
    close = MonthClose.objects.create(
        workspace=world.payment.workspace,
        month=dt.date(2026, 3, 1),
        closed_at=utc_now(),
        closed_by="user:7",
        totals=[{"account": "payments", "currency": "usd", "gross": 4900, "fee": 0}],
    )
    return f"closed month {close.pk}"
