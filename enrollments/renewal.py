"""Enrolling again after a refusal: the refused enrollment makes way for a new one (docs/decisions/0068)."""

import datetime as dt

from core.actors import Actor
from events.publishing import publish

from .history import Journal
from .models import Enrollment
from .states import PAYABLE, REFUSED


def may_be_renewed(enrollment: Enrollment) -> bool:
    """Whether it was refused, so that a new enrollment of the same person may take its place."""
    return enrollment.eligibility_status in REFUSED and enrollment.is_current


def must_be_renewed(enrollment: Enrollment) -> bool:
    """Whether it was refused after money had come for it: that money goes back, and a payment is never asked for twice
    on one record, so it can't be taken up again."""
    return enrollment.eligibility_status in REFUSED and enrollment.payment_status not in PAYABLE


def make_way(*, enrollment: Enrollment, actor: Actor, now: dt.datetime) -> None:
    """Withdraw a (locked) refused enrollment, which stays as the record of the refusal and of its money. The new one is
    made by the caller, in the same transaction."""
    journal = Journal(enrollment, actor, now)
    journal.change("withdraw", reason="Enrolls again")
    publish(*journal.write())
