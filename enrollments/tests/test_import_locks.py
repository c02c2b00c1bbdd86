"""The order in which batches of imports lock people; the race is in tests/races/test_two_imports.py."""

import datetime as dt
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection

from accounts.models import Learner, Workspace
from accounts.tests.factories import WorkspaceFactory
from core.clock import utc_now
from enrollments.imports import job
from enrollments.imports.job import undo_import
from enrollments.models import DistrictSeatAllocation, Enrollment, ProgramInstance, SeatAssignment
from enrollments.states import ReviewMode, SeatStatus
from tests.lock_order import recorded_locks

from .factories import STAFF, InstanceFactory, ProgramFactory, seats
from .importing import work_on
from .rosters import approve_all, ending, import_roster, in_class, school, students

pytestmark = [pytest.mark.django_db, pytest.mark.race]

LOCKING = re.compile(r'FROM "(accounts_learner|enrollments_enrollment)".* FOR (?:NO KEY )?UPDATE')


@contextmanager
def locked_rows() -> Iterator[list[tuple[str, list[int]]]]:
    """Yield the locked learners and enrollments: each statement's table and the ids that it names."""
    locked: list[tuple[str, list[int]]] = []

    def record(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if found := LOCKING.search(sql):
            ids = [each for value in params for each in (value if isinstance(value, list) else [value])]
            locked.append((found[1].partition("_")[2], [each for each in ids if isinstance(each, int)]))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(record):
        yield locked


def learners(locked: list[tuple[str, list[int]]]) -> list[list[int]]:
    return [ids for table, ids in locked if table == "learner"]


@pytest.fixture
def workspace() -> Workspace:
    return WorkspaceFactory()


@pytest.fixture
def instance(workspace: Workspace) -> ProgramInstance:
    program = ProgramFactory(workspace=workspace, code="CODING")
    return InstanceFactory(workspace=workspace, program=program, review_mode=ReviewMode.MANUAL, price=None)


@pytest.fixture
def enrolled(workspace: Workspace, instance: ProgramInstance) -> list[int]:
    """Return the ids of three learners who have been approved."""
    import_roster(workspace, school(1, 2, 3), evaluate=True)
    approve_all()
    return list(Learner.objects.order_by("pk").values_list("pk", flat=True))


class TestARosterThatListsPeopleInAnyOrder:
    def test_changes_them_in_the_order_of_their_ids(self, workspace: Workspace) -> None:
        import_roster(workspace, students(1, 2, 3))
        changed = students(3, 1, 2)
        changed["users.csv"] = changed["users.csv"].replace(",Lee,", ",Li,")

        with locked_rows() as locked:
            import_roster(workspace, changed)

        assert learners(locked) == [[pk] for pk in Learner.objects.order_by("pk").values_list("pk", flat=True)]

    def test_locks_the_enrollments_of_all_instances_before_it_looks_at_the_first(
        self, workspace: Workspace, instance: ProgramInstance
    ) -> None:
        art = ProgramFactory(workspace=workspace, code="ART")
        InstanceFactory(workspace=workspace, program=art, is_default=False)
        both = school(1, 2)
        both["courses.csv"] += "course2,Art,ART\n"
        both["classes.csv"] += "c2,,Art A,course2,ART-A,t1\n"
        both["enrollments.csv"] += in_class(2, name="c2") + in_class(1, name="c2")
        import_roster(workspace, both)

        with locked_rows() as locked:
            import_roster(workspace, both)

        first = next(ids for table, ids in locked if table == "enrollment")
        assert sorted(first) == list(Enrollment.objects.order_by("pk").values_list("pk", flat=True))
        assert len(first) == 4

    def test_locks_all_before_it_ends_the_first_enrollment(self, workspace: Workspace, enrolled: list[int]) -> None:
        with locked_rows() as locked:
            job = import_roster(workspace, ending(3, 1, 2), mode="delta", may_end_many=True)

        assert job.counts["ended"] == 3
        assert sorted(learners(locked)[0]) == enrolled
        assert locked[0][0] == "learner"


class TestADeltaThatEnrollsAndEnds:
    """One learner joins the class, one stays, and one who holds a district's seat leaves."""

    @pytest.fixture
    def delta(self, workspace: Workspace, enrolled: list[int]) -> dict[str, str]:
        enrollment = Enrollment.objects.get(learner=enrolled[0])
        allocation = seats(workspace, total=5)
        allocation.used_seats = 1
        allocation.save(update_fields=["used_seats"])
        SeatAssignment.objects.create(
            allocation=allocation,
            learner_id=enrolled[0],
            enrollment=enrollment,
            status=SeatStatus.USED,
            reserved_at=utc_now(),
            used_at=utc_now(),
        )
        files = school(2, 4)
        files["enrollments.csv"] += in_class(1, status="tobedeleted")
        return files

    def bring(self, workspace: Workspace, delta: dict[str, str]) -> list[list[str]]:
        """Return the transactions that locked in another order than docs/concurrency.md requires."""
        with recorded_locks() as recorder:
            done = import_roster(workspace, delta, mode="delta", may_end_many=True, evaluate=True)
        assert (done.counts["imported"], done.counts["ended"]) == (1, 1)
        assert DistrictSeatAllocation.objects.get().used_seats == 0
        return recorder.out_of_order()

    def test_does_one_after_the_other_and_so_locks_in_order(self, workspace: Workspace, delta: dict[str, str]) -> None:
        assert self.bring(workspace, delta) == []

    @pytest.mark.unordered_locks
    def test_would_lock_an_allocation_after_an_enrollment_if_it_did_both_at_once(
        self, workspace: Workspace, delta: dict[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(job, "part_of", lambda record: None)

        (locked,) = self.bring(workspace, delta)

        assert locked.index("enrollment") < locked.index("allocation")


class TestUndoing:
    def test_locks_the_learners_of_planned_exits_before_their_enrollments(
        self, workspace: Workspace, enrolled: list[int]
    ) -> None:
        day = (utc_now() + dt.timedelta(days=30)).date().isoformat()
        job = import_roster(workspace, ending(2, 1, end=day), mode="delta", may_end_many=True)

        with locked_rows() as locked:
            undo_import(job_id=job.pk, actor=STAFF, now=utc_now())
            work_on(job)

        assert job.counts["undone"] == 2
        assert [table for table, _ in locked[:2]] == ["learner", "enrollment"]
        assert sorted(locked[0][1]) == enrolled[:2]
