"""Enrollments whose end has passed, completed by several sweeps at once."""

import datetime as dt
from collections.abc import Sequence

import pytest
from django.db import connection

from core.actors import Actor
from core.clock import utc_now
from enrollments import expiry
from enrollments.expiry import expire_enrollments
from enrollments.history import find_standings
from enrollments.models import DistrictSeatAllocation, EnrollmentTransition, ProgramInstance
from enrollments.tests.factories import CandidateFactory, InstanceFactory, approved_enrollment, route, seats
from operations.doctor import examine
from tests.lock_order import recorded_locks
from tests.processes import Failure, Meeting, at_once

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

LONG_AGO = dt.date(2020, 1, 31)


def ended(learners: int) -> None:
    course = InstanceFactory(price=None)
    for _ in range(learners):
        approved_enrollment(CandidateFactory(instance=course, workspace=course.workspace))
    ProgramInstance.objects.update(end_date=LONG_AGO)


def sweep() -> int:
    batch = expire_enrollments(limit=10, now=utc_now())
    return len(batch.completed) if batch else 0


def only_together(ids: Sequence[int], completed: list[int], failed: list[int], actor: Actor, now: dt.datetime) -> None:
    completed += expiry._complete(ids, actor, now)


def completions() -> int:
    return EnrollmentTransition.objects.filter(to_status="completed").count()


class TestSweepsAtOnce:
    def test_complete_each_enrollment_once(self) -> None:
        ended(8)

        done = at_once(*[sweep] * 8)

        sweep()
        assert [each for each in done if isinstance(each, Failure)] == []
        assert completions() == 8
        assert examine() == {}

    def test_without_the_lock_would_fail_all_but_one(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: both read the same enrollments. The conditional update lets one save; the other's batch is lost."""
        # One at a time, they would then be found completed and left alone.
        monkeypatch.setattr(expiry, "_complete_what_can_be", only_together)
        ended(2)
        monkeypatch.setattr(expiry, "lock_unlocked", list)
        monkeypatch.setattr(expiry, "find_standings", Meeting(find_standings))

        done = at_once(sweep, sweep)

        assert [each.kind for each in done if isinstance(each, Failure)] == ["StatusMoved"]
        assert completions() == 2


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite locks no rows")
@pytest.mark.unordered_locks  # once without the lock
class TestTheAllocationsOfASweep:
    def test_are_locked_before_the_enrollments(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def without_lock(ids: list[int]) -> set[int]:
            return set(DistrictSeatAllocation.objects.values_list("pk", flat=True))

        with_it = self.recorded()
        monkeypatch.setattr(expiry, "lock_allocations_of", without_lock)
        without_it = self.recorded()

        assert with_it == []
        (names,) = without_it
        assert [name for name in names if name in ("enrollment", "allocation")] == ["enrollment", "allocation"]

    def recorded(self) -> list[list[str]]:
        """Return what a sweep that gives a seat back locks out of order."""
        course = InstanceFactory(price=None)
        seats(course.workspace, total=1)
        route(course.workspace)
        ProgramInstance.objects.filter(pk=course.pk).update(end_date=LONG_AGO)
        with recorded_locks() as recorder:
            assert sweep() == 1
        return [list(names) for names in recorder.out_of_order()]
