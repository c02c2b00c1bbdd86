"""What staff, families, and sweeps do at once with enrollments and the seats of districts."""

import datetime as dt
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from django.db import IntegrityError

from enrollments.allocations.holders import reassign_seat
from enrollments.allocations.idle.reclaiming import reclaim_due
from enrollments.changes import change_enrollment
from enrollments.deletion import delete_enrollment
from enrollments.exit import carry_out_due_exits, plan_exit, withdraw_exit
from enrollments.expiry import expire_enrollments
from enrollments.leaving.asking import Wish, ask_for_refund
from enrollments.models import Inquiry, PlannedExit
from enrollments.review.held import carry_out_due_reviews
from enrollments.review.inquiries import answer_inquiry, ask_family
from enrollments.states import EligibilityStatus
from enrollments.tests.factories import STAFF

from ..any_order import ENROLLMENTS, NOT_THE_SECOND, SEATS
from .acting import Acting, Step

ASKED: dict[str, Any] = {"actor": STAFF, "reason": "Asked to"}
ANSWERS = [EligibilityStatus.APPROVED, EligibilityStatus.REJECTED]


def seats(act: Acting) -> Iterator[Step]:
    yield lambda: act.transfer_a_seat(act.nth(), to_other=act.yes())
    yield lambda: act.release_a_seat(act.nth())
    yield lambda: act.resize_an_allocation(act.chance.randrange(1, 4))
    yield lambda: act.on(SEATS, reassign_seat, "seat_id", learner_id=act.student().pk, **ASKED)
    yield lambda: _ask_about_an_idle_seat(act)
    yield lambda: act.attempt(reclaim_due)


def enrollments(act: Acting) -> Iterator[Step]:
    yield lambda: act.hold_an_answer(act.nth(), act.chance.choice(ANSWERS))
    yield lambda: act.undo_an_answer(act.nth())
    yield lambda: act.attempt(carry_out_due_reviews)
    yield lambda: act.change_the_criteria(act.chance.choice([[], [NOT_THE_SECOND]]))
    yield lambda: act.reconsider(act.nth())
    yield lambda: act.on(ENROLLMENTS, delete_enrollment, "enrollment_id", actor=STAFF)
    yield lambda: act.on(
        ENROLLMENTS, change_enrollment, "enrollment_id", changes={"metadata": {"n": act.nth()}}, actor=STAFF
    )
    yield lambda: act.on(ENROLLMENTS, ask_family, "enrollment_id", question="Which one?", actor=STAFF)
    yield lambda: act.on(Inquiry.objects.all(), answer_inquiry, "inquiry_id", answer="This one.")
    yield lambda: act.on(
        ENROLLMENTS, plan_exit, "enrollment_id", effective_date=act.now.date() + dt.timedelta(days=9), **ASKED
    )
    yield lambda: act.on(PlannedExit.objects.all(), withdraw_exit, "planned_exit_id", actor=STAFF)
    yield lambda: act.on(ENROLLMENTS, ask_for_refund, "enrollment_id", wish=Wish.TWICE, actor=STAFF)
    yield lambda: act.attempt(carry_out_due_exits)
    yield lambda: act.attempt(expire_enrollments, limit=10)


def _ask_about_an_idle_seat(act: Acting) -> None:
    with suppress(IntegrityError):  # the question itself is this test's, and another process asks it
        act.ask_about_an_idle_seat(act.nth(), is_kept=act.yes())
