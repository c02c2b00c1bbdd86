"""Which tables are cut into parts, and whether there are parts for what comes next."""

import datetime as dt
from collections.abc import Iterator
from typing import Final

from core.invariants import Breach, Extent, Invariant
from core.partitions import ANSWERS, Partitioning, make_parts_ahead
from enrollments.models import EnrollmentTransition
from partners.models import StepTransition

# Enrollments, and steps at partners, whose histories share a part. Ids are given in the order in which they are made.
PARENTS_IN_A_PART: Final = 1_000_000
PARTITIONINGS: Final = (
    Partitioning(EnrollmentTransition, "enrollment_id", width=PARENTS_IN_A_PART),
    Partitioning(StepTransition, "step_id", width=PARENTS_IN_A_PART),
    ANSWERS,
)


def make_all_parts_ahead(*, now: dt.datetime) -> list[str]:
    """Make the next parts of every table that has parts, and return their names."""
    return [name for each in PARTITIONINGS if each.is_done() for name in make_parts_ahead(each, now=now)]


def tables_have_parts_for_what_comes(extent: Extent) -> Iterator[Breach]:
    """A table in parts has parts for the rows to come, and none in its default part. Examined with the whole
    installation only."""
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
