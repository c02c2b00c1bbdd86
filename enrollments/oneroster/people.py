"""The people of a roster: students become learners, their agents become guardians of them."""

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from django.db import transaction

from accounts.guardian_records import change_guardian, register_guardian
from accounts.guardians import link_guardian
from accounts.learner_records import change_learner, register_learner
from accounts.models import Guardian, Learner
from core.errors import DomainError, FieldError, Invalid

from ..imports.faults import UnreadableFile
from .archive import Archive, Row

USERS = "users.csv"
ROLES = "roles.csv"
BATCH = 200
AGENTS = frozenset({"parent", "guardian", "relative"})
STUDENT = "student"


@dataclass(frozen=True, slots=True)
class RowFault:
    """What is wrong with a row, and what would be right."""

    file: str
    line: int
    fault: FieldError


@dataclass(slots=True)
class Roster:
    """An import under way, what became of its rows, and what is wrong with some."""

    workspace_id: int
    now: dt.datetime
    counts: Counter[str] = field(default_factory=Counter)
    faults: list[RowFault] = field(default_factory=list)


def import_people(
    archive: Archive, *, workspace_id: int, dry_run: bool, now: dt.datetime, told: Callable[[int], None]
) -> Roster:
    """Guardians first, then the learners they answer for, in batches of one transaction each. The same archive again
    changes nothing. Raises UnreadableFile before anything is changed."""
    roles = _roles_of(archive)
    _refuse_repeated(archive)
    roster = Roster(workspace_id, now)
    if not dry_run:
        _import_all(roster, archive, roles, told)
        return roster
    with transaction.atomic():
        _import_all(roster, archive, roles, told)
        transaction.set_rollback(True)
    return roster


def _import_all(roster: Roster, archive: Archive, roles: dict[str, str], told: Callable[[int], None]) -> None:
    for wanted, write in ((AGENTS, _write_guardian), (frozenset({STUDENT}), _write_learner)):
        chosen = (row for row in archive.read(USERS) if roles.get(row.get("sourcedId")) in wanted)
        while rows := list(islice(chosen, BATCH)):
            with transaction.atomic():
                for row in rows:
                    _try(roster, row, write)
            told(len(rows))


def _try(roster: Roster, row: Row, write: Callable[[Roster, Row], str]) -> None:
    if row.get("status").lower() == "tobedeleted":
        roster.counts["to_be_deleted"] += 1
        return
    try:
        with transaction.atomic():
            outcome = write(roster, row)
    except DomainError as refusal:
        faults = refusal.errors or (FieldError("row", refusal.code, refusal.detail),)
        roster.faults += [RowFault(USERS, row.line, fault) for fault in faults]
        outcome = "failed"
    roster.counts[outcome] += 1


def _roles_of(archive: Archive) -> dict[str, str]:
    roles: dict[str, str] = {}
    for row in archive.read(ROLES, "userSourcedId", "role"):
        role = row.get("role").lower()
        if (role == STUDENT or role in AGENTS) and row.get("status").lower() != "tobedeleted":
            roles.setdefault(row.get("userSourcedId"), role)
    return roles


def _refuse_repeated(archive: Archive) -> None:
    seen: set[str] = set()
    for row in archive.read(USERS, "sourcedId", "givenName", "familyName", "email"):
        sourced_id = row.get("sourcedId")
        if sourced_id in seen:
            remedy = f"{USERS}: Line {row.line:,}: An earlier line has this sourcedId. Keep one of them."
            raise UnreadableFile(None, remedy, field="sourcedId", code="repeated")
        seen.add(sourced_id)


def _known(row: Row) -> dict[str, Any]:
    known = {
        "external_id": row.get("sourcedId"),
        "first_name": row.get("preferredFirstName") or row.get("givenName"),
        "last_name": row.get("preferredLastName") or row.get("familyName"),
        "email": row.get("email"),
    }
    return known


def _write_guardian(roster: Roster, row: Row) -> str:
    known = _known(row)
    guardian = Guardian.objects.filter(workspace=roster.workspace_id, external_id=known["external_id"]).first()
    if guardian is None:
        register_guardian(workspace_id=roster.workspace_id, **known)
        return "guardians_new"
    changes = {name: value for name, value in known.items() if (getattr(guardian, name) or "") != value}
    if not changes:
        return "guardians_unchanged"
    change_guardian(workspace_id=roster.workspace_id, guardian_id=guardian.pk, changes=changes, now=roster.now)
    return "guardians_changed"


def _write_learner(roster: Roster, row: Row) -> str:
    known = _known(row)
    missing = [name for name in ("first_name", "last_name", "email") if not known[name]]
    if missing:
        column = {"first_name": "givenName", "last_name": "familyName", "email": "email"}[missing[0]]
        raise Invalid(errors=(FieldError(column, "required", f"A student needs {column}. Fill it in."),))
    if grade := row.get("grades").split(",")[0].strip():
        known["grade_level"] = grade
    learner = Learner.objects.filter(workspace=roster.workspace_id, external_id=known["external_id"]).first()
    outcome = "learners_unchanged"
    if learner is None:
        learner = register_learner(workspace_id=roster.workspace_id, **known)
        outcome = "learners_new"
    elif changes := {name: value for name, value in known.items() if getattr(learner, name) != value}:
        learner = change_learner(workspace_id=roster.workspace_id, cuid=learner.cuid, changes=changes)
        outcome = "learners_changed"
    for guardian_id in _agents_of(roster, row):
        link_guardian(guardian_id=guardian_id, learner_id=learner.pk)
    return outcome


def _agents_of(roster: Roster, row: Row) -> Iterator[int]:
    for agent in filter(None, (part.strip() for part in row.get("agentSourcedIds").split(","))):
        found = Guardian.objects.filter(workspace=roster.workspace_id, external_id=agent).values_list("pk", flat=True)
        guardian_id = found.first()
        if guardian_id is None:
            remedy = f"No parent, guardian or relative has the sourcedId {agent}. Add them, or take the id out."
            raise Invalid(errors=(FieldError("agentSourcedIds", "unknown", remedy),))
        yield guardian_id
