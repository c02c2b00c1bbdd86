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
from enrollments.imports.job import undo_import
from enrollments.models import ProgramInstance
from enrollments.states import ReviewMode

from .factories import STAFF, InstanceFactory, ProgramFactory
from .importing import work_on
from .rosters import approve_all, ending, import_roster, school, students

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

    def test_locks_all_before_it_ends_the_first_enrollment(self, workspace: Workspace, enrolled: list[int]) -> None:
        with locked_rows() as locked:
            job = import_roster(workspace, ending(3, 1, 2), mode="delta", may_end_many=True)

        assert job.counts["ended"] == 3
        assert sorted(learners(locked)[0]) == enrolled
        assert locked[0][0] == "learner"


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
