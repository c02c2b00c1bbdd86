"""What breaks the invariants of the books, and what comes close."""

from billing.models import Payout
from billing.tests.factories import paid_out

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
