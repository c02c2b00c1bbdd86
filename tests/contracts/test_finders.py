"""Whatever finds somebody's rows, to erase them or to hand them out, reads their rows and not everybody's.

The learner stands among many others in the same workspace. PostgreSQL runs each statement and says how many rows each
step of its plan has read; a step that reads one for every learner has no index that would find the right ones.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import connection, transaction

from accounts.models import Guardian, Learner, StaffTask
from accounts.states import TaskStatus
from accounts.task_kinds import NO_ADDRESS
from bench.multiplied import copied_models, multiply
from billing.models import Mismatch, Payment
from core.clock import utc_now
from enrollment_project.learner_data.stored import KINDS
from partners.models import PartnerEvent
from privacy.erasing import foresee_erasure
from privacy.registry import PERSONAL
from privacy.tests.canary import build_canary
from privacy.tests.erasures import erase

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite plans in its own way"),
]

LEARNERS = 400
TASKS = 20  # of each: the many ways in which a task may name somebody only pay off where there are many tasks
# They are deleted a month after they were written, in any case.
PASSING = {each.model._meta.db_table for each in PERSONAL if each.passes}


class Reading:
    """Explains every statement before it runs; `whole` collects what was read of whole tables, with its statement."""

    def __init__(self) -> None:
        self.statements = 0
        self.whole: list[str] = []
        self._growing = {model._meta.db_table for model in copied_models()} - PASSING
        self._explains = False

    def __call__(self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
        if not self._explains and sql.startswith(("SELECT", "UPDATE", "DELETE")):
            self._explains = True
            self.statements += 1
            self.whole += [f"{found}: {sql[:600]}" for found in self._read_whole(sql, params)]
            self._explains = False
        return execute(sql, params, many, context)

    def _read_whole(self, sql: str, params: Any) -> list[str]:
        with transaction.atomic(), connection.cursor() as cursor:  # an UPDATE is carried out to count its rows
            cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {sql}", params)
            (plan,) = cursor.fetchone()
            transaction.set_rollback(True)
        (top,) = json.loads(plan) if isinstance(plan, str) else plan
        return [step for node in nodes_of(top["Plan"]) for step in self._steps(node)]

    def _steps(self, node: dict[str, Any]) -> Iterator[str]:
        """Yield the step if it has read a row for each learner, or an index that is sorted by something else."""
        index = index_named(node["Index Name"]) if "Index Name" in node else None
        table = node.get("Relation Name") or (index.table if index else None)
        if table not in self._growing:
            return
        removed = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
        rows = round(node["Actual Loops"] * (node["Actual Rows"] + removed))
        if rows >= LEARNERS or (index and index.is_large and index.key not in bare(node.get("Index Cond", ""))):
            yield f"{node['Node Type']} on {index.name if index else table} reads {rows} rows"


def nodes_of(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for inner in plan.get("Plans", []):
        yield from nodes_of(inner)


@dataclass(frozen=True, slots=True)
class Index:
    """An index, and the column or expression by which it is sorted first. It `is_large` if it has a row per learner."""

    name: str
    table: str
    key: str
    is_large: bool


def index_named(name: str) -> Index:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indrelid::regclass::text, pg_get_indexdef(indexrelid, 1, true), reltuples >= %s"
            " FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid WHERE indexrelid = %s::regclass",
            [LEARNERS, f'"{name}"'],
        )
        table, key, is_large = cursor.fetchone()
    return Index(name, table, bare(key), is_large)


def bare(expression: str) -> str:
    """Return the expression without types, brackets, and quotes, which PostgreSQL writes here and leaves out there."""
    return re.sub(r'::\w+|[()"]', "", expression)


@pytest.fixture(scope="module")
def known(rows_of_module: None) -> Learner:
    """Return a learner of whom something of every kind is stored, among many like them."""
    learner = build_canary()
    subject = f"payment:{Payment.objects.get().pk}"
    happened = {"happened_at": utc_now(), "found_at": utc_now(), "settled_at": utc_now()}
    Mismatch.objects.create(
        workspace=learner.workspace, kind="lost", subject=subject, amount_minor=1, currency="usd", **happened
    )
    PartnerEvent.objects.exclude(unread="").delete()  # nobody knows whom they are about: all of them are read
    done = {"kind": NO_ADDRESS.name, "status": TaskStatus.DONE, "done_at": utc_now()}
    tasks = [StaffTask(workspace=learner.workspace, subject=f"guardian:0/{each}", **done) for each in range(TASKS)]
    StaffTask.objects.bulk_create(tasks)
    multiply(LEARNERS)
    return learner


@pytest.fixture
def learner(known: Learner, db: None) -> Learner:
    with connection.cursor() as cursor:
        for way in ("seqscan", "hashjoin", "mergejoin"):  # as if the tables were larger still
            cursor.execute(f"SET LOCAL enable_{way} = off")
    return known


def find(learner: Learner) -> None:
    foresee_erasure(workspace_id=learner.workspace_id, learner_cuid=learner.cuid, now=utc_now())


def hand_out(learner: Learner) -> None:
    for kind in KINDS:
        list(kind.list_rows(learner.pk))


def reads_whole(act: Callable[[], object]) -> list[str]:
    """Return what the action reads of whole tables."""
    reading = Reading()
    with connection.execute_wrapper(reading):
        act()
    assert reading.statements > 0
    return sorted(set(reading.whole))


class TestALearnerAmongMany:
    @pytest.mark.parametrize("act", [find, hand_out, erase])
    def test_is_handled_without_reading_the_others(self, act: Callable[[Learner], None], learner: Learner) -> None:
        assert reads_whole(lambda: act(learner)) == []

    @pytest.mark.parametrize(
        ("index", "table"),
        [
            ("notification_by_recipient", "notifications_notification"),
            ("accounts_stafftask_by_subject", "accounts_stafftask"),
            ("accounts_stafftask_by_end", "accounts_stafftask"),
            ("imported_row_by_subject", "enrollments_importedrow"),
            ("mismatch_by_subject", "billing_mismatch"),
            ("backoffice_edits_by_object", "django_admin_log"),
        ],
    )
    def test_without_its_index_would_be_found_among_all(self, index: str, table: str, learner: Learner) -> None:
        """Control."""
        with connection.cursor() as cursor:
            cursor.execute(f"DROP INDEX {index}")

        found = reads_whole(lambda: find(learner))

        assert found != []
        assert [each for each in found if table not in each] == []

    def test_by_the_second_column_of_an_index_would_be_found_among_all(self, learner: Learner) -> None:
        """Control: the index of addresses begins with the workspace."""
        guardians = Guardian.objects.filter(email__in=["nobody@home.test"])

        (found,) = reads_whole(lambda: list(guardians))

        assert "guardian_email_unique reads 0 rows" in found
