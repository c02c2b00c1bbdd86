"""Districts, guardians, and learners of a roster: missing ones are created, and fields that differ are changed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from accounts.guardian_records import GuardianExists, change_guardian, register_guardian
from accounts.guardians import link_guardian
from accounts.learner_records import LearnerExists, change_learner, register_learner
from accounts.learners import lock_live_learner
from accounts.models import Guardian, Guardianship, Learner
from core.errors import FieldError, Invalid, Unavailable

from ...districts import register_district
from ...models import District
from ..reading import Record
from .rows import RosterBatch

# What an imported row records so that it can be undone.
MADE = "made"
CHANGED = "changed"  # the fields, each with its old and new value
LINKED = "guardians"  # the guardians that were added to the learner


def write_districts(batch: RosterBatch, records: Sequence[Record]) -> None:
    known = _by_external_id(District, batch, records)

    def write(record: Record) -> str:
        told = record.document["known"]
        district = known.get(told["external_id"])
        if district is None:
            made = register_district(
                workspace_id=batch.job.workspace_id,
                external_id=told["external_id"],
                name=told["name"],
                number=record.document["number"],
            )
            batch.keep(record, f"district:{made.pk}", {MADE: True})
            return "districts_new"
        changes = _changes(told, district)
        if not changes:
            return "districts_unchanged"
        batch.keep(record, f"district:{district.pk}", {CHANGED: _both(changes, district)})
        district.name = told["name"]
        district.save(update_fields=["name"])
        return "districts_changed"

    for record in records:
        batch.attempt(record, partial(write, record))


def write_guardians(batch: RosterBatch, records: Sequence[Record]) -> None:
    known = _by_external_id(Guardian, batch, records)
    for record in _in_key_order(records, known):
        guardian = known.get(record.document["known"]["external_id"])
        batch.attempt(record, partial(_write_guardian, batch, record, guardian))


def _write_guardian(batch: RosterBatch, record: Record, guardian: Guardian | None) -> str:
    told = record.document["known"]
    workspace_id = batch.job.workspace_id
    if guardian is None:
        with _repeated_if_just_registered():
            made = register_guardian(workspace_id=workspace_id, **told)
        batch.keep(record, f"guardian:{made.pk}", {MADE: True})
        return "guardians_new"
    changes = _changes(told, guardian)
    if not changes:
        return "guardians_unchanged"
    before = {CHANGED: _both(changes, guardian)}
    change_guardian(workspace_id=workspace_id, guardian_id=guardian.pk, changes=changes, now=batch.now)
    batch.keep(record, f"guardian:{guardian.pk}", before)
    return "guardians_changed"


@dataclass(frozen=True, slots=True)
class _Known:
    """The existing rows of the people that a batch names, read in three statements."""

    learners: Mapping[str, Learner]
    guardians: Mapping[str, Guardian]
    links: set[tuple[int, int]]  # learner and guardian


def write_learners(batch: RosterBatch, records: Sequence[Record]) -> None:
    known = _read_known(batch, records)
    alive = {name: learner.merged_into or learner for name, learner in known.learners.items()}
    for record in _in_key_order(records, alive):
        batch.attempt(record, partial(_write_learner, batch, record, known))


def _read_known(batch: RosterBatch, records: Sequence[Record]) -> _Known:
    learners = _by_external_id(Learner, batch, records, "merged_into")
    agents = {agent for record in records for agent, _ in record.document["agents"]}
    people = {record.document["known"]["external_id"] for record in records if record.document.get("only_known")}
    guardians = _named(Guardian, batch, agents | people)
    alive = [(learner.merged_into or learner).pk for learner in learners.values()]
    links = Guardianship.objects.filter(learner__id__among=alive).values_list("learner", "guardian")
    return _Known(learners, guardians, set(links))


def _write_learner(batch: RosterBatch, record: Record, known: _Known) -> str:
    told = record.document["known"]
    learner = known.learners.get(told["external_id"])
    if learner is None and record.document.get("only_known"):
        guardian = known.guardians.get(told["external_id"])
        told.pop("grade_level", None)
        return "people_unknown" if guardian is None else _write_guardian(batch, record, guardian)
    guardians = _agents_of(batch, record, known)
    outcome = "learners_unchanged"
    before: dict[str, Any] = {}
    if learner is None:
        with _repeated_if_just_registered():
            learner = register_learner(workspace_id=batch.job.workspace_id, **told)
        outcome = "learners_new"
        before = {MADE: True}
    elif learner.merged_into is not None:  # staff chose which values to keep when they merged the learner
        learner = learner.merged_into
    elif changes := _changes({name: value for name, value in told.items() if value}, learner):
        before = {CHANGED: _both(changes, learner)}
        learner = change_learner(workspace_id=batch.job.workspace_id, cuid=learner.cuid, changes=changes)
        outcome = "learners_changed"
    linked = [guardian for guardian in guardians if (learner.pk, guardian) not in known.links]
    if linked:
        lock_live_learner(learner.pk)
    for guardian_id in linked:
        link_guardian(guardian_id=guardian_id, learner_id=learner.pk)
    if linked:
        before[LINKED] = linked
        outcome = "learners_changed" if outcome == "learners_unchanged" else outcome
    if before:
        batch.keep(record, f"learner:{learner.pk}", before)
    return outcome


@contextmanager
def _repeated_if_just_registered() -> Iterator[None]:
    """Raise Unavailable, so that the batch is repeated, if somebody else has registered them since it looked."""
    try:
        yield
    except (GuardianExists, LearnerExists) as refusal:
        if any(fault.field == "externalId" for fault in refusal.errors):
            raise Unavailable("Somebody in this roster was registered elsewhere right now.") from refusal
        raise


def _agents_of(batch: RosterBatch, record: Record, known: _Known) -> list[int]:
    """Return the learner's guardians. Raises Invalid for unknown ones; rehearsals have not created the archive's."""
    found = []
    for agent, is_in_archive in record.document["agents"]:
        guardian = known.guardians.get(agent)
        if guardian is not None:
            found.append(guardian.pk)
        elif not is_in_archive:
            remedy = f"No parent, guardian or relative has the sourcedId {agent}. Add them, or take the id out."
            raise Invalid(errors=(FieldError("agentSourcedIds", "unknown", remedy),))
        elif not batch.is_rehearsal:
            remedy = f"The row of the parent with the sourcedId {agent} is refused. Correct that row first."
            raise Invalid(errors=(FieldError("agentSourcedIds", "refused", remedy),))
    return sorted(set(found))


def _by_external_id(model: Any, batch: RosterBatch, records: Iterable[Record], *follow: str) -> dict[str, Any]:
    return _named(model, batch, {record.document["known"]["external_id"] for record in records}, *follow)


def _in_key_order(records: Sequence[Record], known: Mapping[str, Learner | Guardian]) -> list[Record]:
    """Return the records whose rows exist in the order in which others lock those rows, then the new ones in the order
    of their ids, so that of two batches that bring them, one waits for the other.
    """

    def key(record: Record) -> tuple[float, str]:
        external_id = record.document["known"]["external_id"]
        row = known.get(external_id)
        return (float("inf"), external_id) if row is None else (row.pk, external_id)

    return sorted(records, key=key)


def _named(model: Any, batch: RosterBatch, external_ids: Iterable[str], *follow: str) -> dict[str, Any]:
    """Return the workspace's rows that the roster identifies by these external ids."""
    rows = model.objects.filter(workspace=batch.job.workspace_id, external_id__among=list(external_ids))
    return {row.external_id: row for row in rows.select_related(*follow)}


def _changes(told: Mapping[str, str], row: Any) -> dict[str, str]:
    """Return the record's values that differ from the row. Ids never change, because the row was found by them."""
    return {
        name: value for name, value in told.items() if name != "external_id" and (getattr(row, name) or "") != value
    }


def _both(changes: Mapping[str, str], row: Any) -> dict[str, list[Any]]:
    return {name: [getattr(row, name), value] for name, value in changes.items()}
