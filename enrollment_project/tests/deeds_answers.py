"""Answers to back-office forms that can't be guessed from their fields, and the rows that must exist beforehand."""

import datetime as dt
from collections.abc import Callable
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile

from accounts.models import Learner, Workspace
from accounts.tests.factories import LearnerFactory
from billing.models import Seller
from cohorts.models import CourseStep
from core.clock import utc_now
from enrollments.admin.playground import ON_PAGE, SAVE
from enrollments.admin.quoted_exits import foresee, sum_up
from enrollments.models import District, DistrictSeatAllocation, SeatAssignment
from enrollments.seats import create_allocation
from enrollments.tests.rosters import archive_of, school
from privacy.models import Retention

from .small_demo import MINE


def _ours() -> Workspace:
    return Workspace.objects.get(slug=MINE)


# --- Answers to a form, by its button, about the given row ------------------------------------------------------------


def another_allocation(seat: SeatAssignment | None) -> dict[str, Any]:
    """Return another allocation of the same district in which the learner has no seat yet."""
    assert seat is not None
    return {"allocation": DistrictSeatAllocation.objects.get(district=seat.allocation.district, term="Walk").pk}


def somebody_without_a_seat(_: Any) -> dict[str, Any]:
    return {"learner": Learner.objects.get(external_id="walk", workspace=_ours()).external_id}


def one_criterion(_: Any) -> dict[str, Any]:
    told = {"name": "Adult", "expression": "metadata.age >= 18", "otherwise": "Too young", "because": "", "order": "1"}
    others = {f"{name}_{index}": "" for name in ON_PAGE for index in range(1, 20)}
    return {**others, **{f"{name}_0": value for name, value in told.items()}, SAVE: "1"}


ANSWERS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "enrollment.end_by_quote": lambda enrollment: {"told": sum_up(foresee(enrollment))},
    "importjob.import_roster": lambda _: {"file": SimpleUploadedFile("roster.zip", archive_of(school(1, 2)))},
    "learner.merge_other": lambda _: {"other": Learner.objects.live().filter(workspace=_ours()).earliest("pk").cuid},
    # Long before the first payment, so that no earlier month is open.
    "monthclose.close": lambda _: {"month": (utc_now() - dt.timedelta(days=1_000)).strftime("%Y-%m-%d")},
    "programinstance.edit_criteria": one_criterion,
    "seatassignment.reassign": somebody_without_a_seat,
    "seatassignment.transfer": another_allocation,
    "seatassignment.transfer_selected": another_allocation,
    "voucher.make_codes": lambda _: {
        "count": "2",
        "code": "",
        "kind": "free",
        "percent": "",
        "amount": "",
        "only_for": "",
        "learner": "",
    },
}


# --- Preconditions, by the page ---------------------------------------------------------------------------------------


def a_step_that_nobody_has_booked() -> None:
    """Return the first step of its course, by its key, that the walk meets."""
    program = CourseStep.objects.filter(program__workspace=_ours()).earliest("pk").program
    CourseStep.objects.create(program=program, order=99, title="Farewell", required=False)


def seats_elsewhere_and_a_learner_who_waits() -> None:
    for district in District.objects.filter(workspace=_ours()):
        create_allocation(
            workspace_id=district.workspace_id,
            tenant_id=district.tenant_id,
            total_seats=50,
            term="Walk",
            now=utc_now(),
        )
    LearnerFactory(workspace=_ours(), external_id="walk", email="walk@home.test")


def nobody_who_sells() -> None:
    Seller.objects.filter(workspace=_ours()).delete()


def nothing_kept_for_some_time() -> None:
    Retention.objects.filter(workspace=_ours()).delete()


BEFORE: dict[str, Callable[[], None]] = {
    "coursestep": a_step_that_nobody_has_booked,
    "seatassignment": seats_elsewhere_and_a_learner_who_waits,
}
BEFORE_ADDING: dict[str, Callable[[], None]] = {"seller": nobody_who_sells, "retention": nothing_kept_for_some_time}
# The rows for which a button is tried, if the first ones would be refused.
SUITED: dict[str, Callable[[Any], bool]] = {"coursestep.remove": lambda step: step.order == 99}
