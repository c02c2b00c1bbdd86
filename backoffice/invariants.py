"""The invariant of what waits for staff."""

from collections.abc import Iterator
from itertools import islice

from accounts.models import StaffTask
from accounts.states import TaskStatus
from core.invariants import Breach, Extent, Invariant

from .subjects import find_gone

BATCH = 1_000


def open_tasks_are_about_rows_that_exist(extent: Extent) -> Iterator[Breach]:
    """What an open task is about is still there."""
    waiting = extent.of(StaffTask.objects.filter(status=TaskStatus.OPEN)).order_by().values_list("pk", "subject")
    rows = waiting.iterator()
    while batch := list(islice(rows, BATCH)):
        gone = find_gone(subject for _, subject in batch)
        for pk, subject in batch:
            for part in gone.intersection(subject.split("/")):
                yield Breach(f"staff task {pk}", f"is about {part}, which no longer exists")


INVARIANTS: tuple[Invariant, ...] = (open_tasks_are_about_rows_that_exist,)
