"""Which refunds and disputes each correction of a payment states.

A release before `Invoice.sources` writes corrections without them, and still serves while an upgrade rolls out. What
such a correction states is derived from the money that had moved when it was created.
"""

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..models import Invoice, Payment


class _Mover(NamedTuple):
    source: str
    minor: int  # below zero if the money is gone, zero if it came back or never went
    amount: int  # what it would be if the money were gone
    at: dt.datetime | None


def moved_since(documents: Sequence[Invoice], payment: Payment) -> dict[str, int]:
    """What the payment's refunds and disputes add up to, as far as the documents, in their order, don't state it."""
    name_sources(documents, payment)
    return _unstated(_movers_of(payment), _stated_by(documents))


def name_sources(documents: Sequence[Invoice], payment: Payment) -> None:
    """Fill in, without saving, the sources of corrections that name none. Those whose amount the payment's refunds and
    disputes don't explain stay as they are."""
    unnamed = [each for each in documents if each.corrects_id is not None and not each.sources]
    if not unnamed:
        return
    movers = _movers_of(payment)
    for correction in unnamed:
        stated = _stated_by(documents)
        # Usually the money recorded in the same transaction; otherwise everything known at that time.
        moment = correction.requested_at
        at_once = _unstated([each for each in movers if each.at == moment], stated)
        by_then = _unstated([each for each in movers if not each.minor or (each.at and each.at <= moment)], stated)
        # Or money that has come back since.
        came_back = [each for each in movers if not each.minor and each.amount == correction.amount_minor]
        alone = {came_back[0].source: came_back[0].amount} if len(came_back) == 1 else {}
        tries = (at_once, by_then, alone)
        fitting = (sources for sources in tries if sum(sources.values()) == correction.amount_minor)
        correction.sources = next(fitting, {})


def _movers_of(payment: Payment) -> list[_Mover]:
    refunds = [
        _Mover(each.source, -each.returned_minor, -each.amount_minor, each.settled_at)
        for each in payment.refunds.order_by("id")
    ]
    disputes = [
        _Mover(each.source, -each.returned_minor, -each.withdrawn_minor, each.closed_at)
        for each in payment.disputes.order_by("id")
    ]
    return refunds + disputes


def _stated_by(documents: Iterable[Invoice]) -> Counter[str]:
    stated: Counter[str] = Counter()
    for document in documents:
        stated.update(document.sources)
    return stated


def _unstated(movers: Sequence[_Mover], stated: Counter[str]) -> dict[str, int]:
    moved = {each.source: each.minor - stated[each.source] for each in movers}
    return {source: minor for source, minor in moved.items() if minor}
