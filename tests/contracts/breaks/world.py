"""The sound world that breaches are planted in, and the register of what is planted."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from accounts.models import StaffTask, Workspace
from billing.models import Checkout, Payment, Refund
from cohorts.models import Cohort, CohortPlace, StudentPackage, WaitlistEntry
from enrollments.models import DistrictSeatAllocation, Enrollment, EnrollmentDecision


@dataclass(frozen=True)
class World:
    """One enrollment of each kind, all sound: a used seat, a reserved one, a payment partly refunded, one awaited.

    A separate workspace has a full cohort with a place bought, one held, and somebody in line. Another one has a
    learner at the second of three partners.
    """

    allocation: DistrictSeatAllocation
    used: EnrollmentDecision
    reserved: EnrollmentDecision
    paid: EnrollmentDecision
    waiting: EnrollmentDecision
    refund: Refund
    cohort: Cohort
    package: StudentPackage
    held: CohortPlace
    entry: WaitlistEntry
    training: Enrollment

    @property
    def payment(self) -> Payment:
        assert self.paid.payment is not None
        return self.paid.payment

    @property
    def checkout(self) -> Checkout:
        assert self.waiting.checkout is not None
        return self.waiting.checkout


# The rows that the doctor must name, by the invariant that they break: these and no others.
Rows = dict[str, list[str]]
Planted = Callable[[World], Rows]
BREAKS: dict[str, Planted] = {}
SPARED: dict[str, Planted] = {}
Breaking = TypeVar("Breaking", bound=Callable[[World], str | Rows])
Sparing = TypeVar("Sparing", bound=Callable[[World], Rows | None])


def breaks(invariant: str) -> Callable[[Breaking], Breaking]:
    """Register a way to break this invariant. It returns the row that the doctor must name; if it breaks other
    invariants too, it returns all rows of all of them.
    """

    def register(plant: Breaking) -> Breaking:
        def planted(world: World) -> Rows:
            rows = plant(world)
            return {invariant: [rows]} if isinstance(rows, str) else rows

        BREAKS[f"{invariant}: {plant.__name__}"] = planted
        return plant

    return register


def spares(invariant: str) -> Callable[[Sparing], Sparing]:
    """Register a near miss of this invariant. It returns the rows of other invariants that it breaks."""

    def register(plant: Sparing) -> Sparing:
        SPARED[f"{invariant}: {plant.__name__}"] = lambda world: plant(world) or {}
        return plant

    return register


def copy(row: Any, **changes: Any) -> Any:
    """Return an unsaved copy of the row, including states."""
    values = {
        field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields if field.attname != "id"
    }
    return type(row)(**{**values, **changes})


def a_task_about(subject: str, workspace: Workspace) -> StaffTask:
    """Create a task that a person has decided, or is to decide."""
    return StaffTask.objects.create(workspace=workspace, kind="to_decide", subject=subject, summary="Decide about it.")
