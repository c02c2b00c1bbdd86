"""Enrolling again after a refusal: a new enrollment replaces the refused one (docs/decisions/0068)."""

import datetime as dt

from core.actors import Actor
from events.publishing import publish

from .history import Journal
from .models import Enrollment
from .states import PAYABLE, REFUSED


def may_be_renewed(enrollment: Enrollment) -> bool:
    """Return whether it was refused, so that a new enrollment of the same person may replace it."""
    return enrollment.eligibility_status in REFUSED and enrollment.is_current


def must_be_renewed(enrollment: Enrollment) -> bool:
    """Return whether it was refused after money had been paid for it: that money is refunded, and one record never asks
    for two payments, so it can't be resumed.
    """
    return enrollment.eligibility_status in REFUSED and enrollment.payment_status not in PAYABLE


def make_way(*, enrollment: Enrollment, actor: Actor, now: dt.datetime) -> None:
    """Withdraw a (locked) refused enrollment, which stays as the record of the refusal and of its money. The caller
    creates the new one in the same transaction.
    """
    journal = Journal(enrollment, actor, now)
    journal.change("withdraw", reason="Enrolls again")
    publish(*journal.write())
