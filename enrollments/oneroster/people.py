"""The people of a roster: students become learners, their agents become guardians of them."""

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from django.db import transaction

from accounts.guardian_records import change_guardian, register_guardian
from accounts.guardians import link_guardian
from accounts.learner_records import change_learner, register_learner
from accounts.models import Guardian, Learner
from core.addresses import address_fault, canonical_address
from core.errors import DomainError, FieldError, Invalid, refuse

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
        if not sourced_id:
            remedy = f"{USERS}: Line {row.line:,}: The sourcedId is empty. Fill it in."
            raise UnreadableFile(None, remedy, field="sourcedId", code="empty")
        if sourced_id in seen:
            remedy = f"{USERS}: Line {row.line:,}: An earlier line has this sourcedId. Keep one of them."
            raise UnreadableFile(None, remedy, field="sourcedId", code="repeated")
        seen.add(sourced_id)


# The columns that our fields come from.
_COLUMNS = {
    "external_id": "sourcedId",
    "first_name": "givenName",
    "last_name": "familyName",
    "email": "email",
    "grade_level": "grades",
}


def _known(row: Row, model: type[Guardian] | type[Learner]) -> dict[str, str]:
    """What the row says of a person. Raises Invalid for what could not be kept."""
    known = {
        "external_id": row.get("sourcedId"),
        "first_name": row.get("preferredFirstName") or row.get("givenName"),
        "last_name": row.get("preferredLastName") or row.get("familyName"),
        "email": canonical_address(row.get("email")),
    }
    if model is Learner and (grade := row.get("grades").split(",")[0].strip()):
        known["grade_level"] = grade
    faults = []
    for name, value in known.items():
        longest = getattr(model._meta.get_field(name), "max_length", None) or 0
        if len(value) > longest:
            faults.append(FieldError(_COLUMNS[name], "max_length", f"Shorten it to {longest} characters."))
        elif name == "email" and value and address_fault(value):
            faults.append(FieldError("email", "invalid", "Give an email address, such as name@example.org."))
        elif model is Learner and not value:
            column = _COLUMNS[name]
            faults.append(FieldError(column, "required", f"A student needs {column}. Fill it in."))
    refuse(faults)
    return known


def _changes(known: dict[str, str], person: Guardian | Learner) -> dict[str, str]:
    """What the row says that is not known yet. Nobody's id changes: they were found by it."""
    told = {name: value for name, value in known.items() if name != "external_id"}
    return {name: value for name, value in told.items() if (getattr(person, name) or "") != value}


def _write_guardian(roster: Roster, row: Row) -> str:
    known = _known(row, Guardian)
    guardian = Guardian.objects.filter(workspace=roster.workspace_id, external_id=known["external_id"]).first()
    if guardian is None:
        register_guardian(workspace_id=roster.workspace_id, **known)
        return "guardians_new"
    changes = _changes(known, guardian)
    if not changes:
        return "guardians_unchanged"
    change_guardian(workspace_id=roster.workspace_id, guardian_id=guardian.pk, changes=changes, now=roster.now)
    return "guardians_changed"


def _write_learner(roster: Roster, row: Row) -> str:
    known = _known(row, Learner)
    found = Learner.objects.filter(workspace=roster.workspace_id, external_id=known["external_id"])
    learner = found.select_related("merged_into").first()
    outcome = "learners_unchanged"
    if learner is None:
        learner = register_learner(workspace_id=roster.workspace_id, **known)
        outcome = "learners_new"
    elif learner.merged_into is not None:  # staff chose what stands of whom they were merged into
        learner = learner.merged_into
    elif changes := _changes(known, learner):
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
