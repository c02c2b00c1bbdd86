"""Which tables are partitioned, and whether there are partitions for the rows to come."""

import datetime as dt
from collections.abc import Iterator
from typing import Final

from core.invariants import Breach, Extent, Invariant
from core.partitions import ANSWERS, Partitioning, make_parts_ahead
from enrollments.models import EnrollmentTransition
from partners.models import StepTransition

# How many enrollments, and partner steps, share a partition with their histories. Ids are assigned in creation order.
PARENTS_IN_A_PART: Final = 1_000_000
PARTITIONINGS: Final = (
    Partitioning(EnrollmentTransition, "enrollment_id", width=PARENTS_IN_A_PART),
    Partitioning(StepTransition, "step_id", width=PARENTS_IN_A_PART),
    ANSWERS,
)


def make_all_parts_ahead(*, now: dt.datetime) -> list[str]:
    """Create the next partitions of every partitioned table, and return their names."""
    return [name for each in PARTITIONINGS if each.is_done() for name in make_parts_ahead(each, now=now)]


def tables_have_parts_for_what_comes(extent: Extent) -> Iterator[Breach]:
    """A partitioned table has partitions for the rows to come, and its default partition is empty. Examined only with
    the whole installation."""
    if extent.workspace_id is not None:
        return
    for each in PARTITIONINGS:
        if not each.is_done():
            continue
        if not each.is_ahead(extent.now):
            yield Breach(f"table {each.table}", "has no part for the rows that come next")
        if rows := each.stray_rows():
            yield Breach(f"table {each.table}", f"has {rows} rows in its default part")


INVARIANTS: tuple[Invariant, ...] = (tables_have_parts_for_what_comes,)
