"""The order in which transactions lock rows, recorded and compared with the one that docs/concurrency.md states."""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

from django.apps import apps
from django.db import connection
from django.db.models import Model
from django.db.transaction import Atomic

from tests.row_order import RowLocks

_PAGE = Path(__file__).parents[1] / "docs" / "concurrency.md"
_NAMES = {
    "enrollments.Application": "application",
    "enrollments.IdleSeat": "idle seat",
    "accounts.Learner": "learner",
    "accounts.User": "account",
    "accounts.Guardian": "guardian",
    "accounts.StaffInvitation": "invitation",
    "accounts.GuardianInvitation": "invitation",
    "enrollments.DistrictSeatAllocation": "allocation",
    "cohorts.Cohort": "cohort",
    "cohorts.GroupClass": "class",
    "cohorts.ClassSession": "class session",
    "enrollments.Enrollment": "enrollment",
    "enrollments.ProgramInstance": "instance",
    "enrollments.EnrollmentDecision": "decision",
    "cohorts.CohortPlace": "place",
    "billing.Checkout": "checkout",
    "billing.Payment": "payment",
    "billing.Refund": "refund",
    "billing.Mismatch": "mismatch",
    "billing.Voucher": "voucher",
    "cohorts.StudentPackage": "package",
    "cohorts.StepProgress": "booking",
    "accounts.Lead": "lead",
    "partners.EnrollmentStep": "partner step",
    "billing.InvoiceSeries": "invoice series",
}
_LOCKING = re.compile(r'FROM "(\w+)".* FOR (?:NO KEY )?UPDATE(?: OF "(\w+)")?', re.DOTALL)
_CHANGING = re.compile(r'^\s*(?:WITH .*?\) )?(?:UPDATE|DELETE FROM) "?(\w+)"?', re.DOTALL)
_ENDING_A_HOLD = re.compile(r'UPDATE "cohorts_cohort" SET "held_places" = \("cohorts_cohort"."held_places" - ')
_LATE = {"cohort": "cohort, late", "class session": "class session, late"}
# Locked in any order, under the lock on the row that they belong to. A package has one booking in a session at most.
_UNDER = {
    "billing_refund": {"payment"},
    "partners_enrollmentstep": {"enrollment"},
    "cohorts_stepprogress": {"package", "class session"},
}
_WITHOUT_WAITING = " NOWAIT"  # whoever does not wait for a lock cannot deadlock
_HOUSEHOLD = "SELECT pg_advisory_xact_lock("


@cache
def written_order() -> dict[str, int]:
    """Return the rank of each name in the order on the page; names between commas share one."""
    (line,) = re.findall(r"^    (mismatch < .*)$", _PAGE.read_text(), re.MULTILINE)
    return {name: rank for rank, names in enumerate(line.split(" < ")) for name in names.split(", ")}


def name_of(model: type[Model]) -> str | None:
    """Return the page's name for locks on rows of this model; None if the order does not include them."""
    return _NAMES.get(model._meta.label)


class Recorder:
    """The names of what each transaction locks, in the order of its first row of each, and the rows of each table."""

    def __init__(self) -> None:
        self.transactions: list[list[str]] = []
        self.rows: list[RowLocks] = []
        self._names = {apps.get_model(label)._meta.db_table: name for label, name in _NAMES.items()}
        self._outside = _depth()
        self._ranks = written_order()

    def known_names(self) -> set[str]:
        return set(self._names.values())

    def begin(self) -> None:
        if _depth() == self._outside:
            self.transactions.append([])
            self.rows.append(RowLocks())

    def __call__(self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
        if not (isinstance(sql, str) and self.transactions and _depth() > self._outside):
            return execute(sql, params, many, context)
        names = self.transactions[-1]
        table = _table_locked_by(sql)
        name = "household" if sql.startswith(_HOUSEHOLD) else self._names.get(table)
        if name in _LATE and name not in names and (_LATE["cohort"] in names or self._ends_a_hold(sql)):
            name = _LATE[name]
        if name is not None and name not in names and not sql.endswith(_WITHOUT_WAITING):
            names.append(name)
        answer = execute(sql, params, many, context)
        if table in self._names and not many and _UNDER.get(table, set()).isdisjoint(names):
            self.rows[-1].note(table, sql, params, context["cursor"].rowcount)
        return answer

    def _ends_a_hold(self, sql: str) -> bool:
        """The exception of docs/concurrency.md: a transaction that locked the learner may count a held place late."""
        return "learner" in self.transactions[-1] and _ENDING_A_HOLD.match(sql) is not None

    def out_of_order(self) -> list[list[str]]:
        """Return the transactions that take a lock after one that comes later on the page, each once."""
        ranks = self._ranks
        ranked = [(names, [ranks[name] for name in names if name in ranks]) for names in self.transactions]
        found = [names for names, order in ranked if order != sorted(order) or _counts_too_late(names)]
        return [names for place, names in enumerate(found) if names not in found[:place]]

    def rows_out_of_order(self) -> list[str]:
        """Return what transactions lock within one table in another order than that of its keys, each once."""
        return list(dict.fromkeys(fault for rows in self.rows for fault in rows.faults))


@contextmanager
def recorded_locks() -> Iterator[Recorder]:
    """Record what the transactions inside lock, except the one that a test itself may run in."""
    recorder = Recorder()
    enter = Atomic.__enter__

    def enter_and_tell(atomic: Atomic) -> None:
        recorder.begin()
        enter(atomic)

    with ExitStack() as stack:
        stack.enter_context(patch.object(Atomic, "__enter__", enter_and_tell))
        stack.enter_context(connection.execute_wrapper(recorder))
        yield recorder


def _counts_too_late(names: list[str]) -> bool:
    """Return whether a held place was counted after a voucher, which others lock while they hold the cohort."""
    late = _LATE["cohort"]
    return late in names and "voucher" in names[: names.index(late)]


def _table_locked_by(sql: str) -> str:
    """Return the table whose rows the statement locks, or an empty string."""
    if changing := _CHANGING.match(sql):
        return changing[1]
    if " UPDATE" in sql and (locking := _LOCKING.search(sql)):
        return locking[2] or locking[1]
    return ""


def _depth() -> int:
    """Return how many blocks of the product's are open; those around a test are none."""
    return sum(not block._from_testcase for block in connection.atomic_blocks)  # type: ignore[attr-defined]
