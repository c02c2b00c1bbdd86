"""What Stripe, staff, and families do at once with money."""

from collections.abc import Iterator

from .acting import Acting, Step


def money(act: Acting) -> Iterator[Step]:
    choose = act.chance.choice
    yield lambda: act.hear_of_a_checkout(act.nth(), choose(["expired", "failed", "processing"]))
    yield lambda: act.ask_for_a_refund(act.nth(), choose([None, 100, 4900]))
    yield lambda: act.hear_of_a_refund(act.nth(), choose(["succeeded", "pending", "failed"]))
    yield lambda: act.hear_of_a_dispute(act.nth(), choose(["needs_response", "won", "lost"]))
    yield lambda: act.pay_in_cash(act.nth())
    yield lambda: act.reverse_cash(act.nth(), is_returned=act.yes())
