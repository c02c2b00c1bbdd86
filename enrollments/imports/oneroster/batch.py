"""One batch of a roster, inside the caller's transaction."""

import datetime as dt
from collections.abc import Sequence
from itertools import groupby

from core.actors import Actor
from core.rows import insert_many

from ...models import ImportJob
from ..options import Options
from ..outcome import fold_repeated, undone_if
from ..reading import Record
from .classes import match_classes
from .enrolling import end_enrollments, enroll_students
from .people import write_districts, write_guardians, write_learners
from .reading import CLASS, DELETED, DISTRICT, ENDING, ENROLLMENT, ENROLLMENTS, GUARDIAN, LEARNER
from .rows import TO_BE_DELETED, RosterBatch, Write

_FAULTY = "faulty"


def import_roster_batch(job: ImportJob, records: Sequence[Record], *, now: dt.datetime) -> RosterBatch:
    """Carry out the records, which are of one part, or find out what that would do."""
    batch = RosterBatch(job, Options(**job.options), Actor.read(job.actor), now)
    with undone_if(batch.is_rehearsal):
        for kind, found in groupby(records, key=_kind_of):
            _WRITES[kind](batch, list(found))
    insert_many(fold_repeated(job, batch.kept))
    insert_many(batch.faults)
    return batch


def part_of(record: Record) -> object:
    """Return which part of a roster the record belongs to: people and classes, enrollments, or endings. A batch is of
    one part, because ending an enrollment locks allocations, which come before enrollments, as learners do.
    """
    return record.file == ENROLLMENTS, _kind_of(record) == ENDING


def _kind_of(record: Record) -> str:
    return _FAULTY if record.fault is not None else str(record.document["is"])


def _tell_faults(batch: RosterBatch, records: Sequence[Record]) -> None:
    for record in records:
        if record.fault is not None:
            batch.fail(record, record.fault)


def _leave(batch: RosterBatch, records: Sequence[Record]) -> None:
    """Skip districts, people, and classes marked for deletion: enrollments and payments may depend on them."""
    batch.rows[TO_BE_DELETED] += len(records)


_WRITES: dict[str, Write] = {
    _FAULTY: _tell_faults,
    DISTRICT: write_districts,
    GUARDIAN: write_guardians,
    LEARNER: write_learners,
    CLASS: match_classes,
    ENROLLMENT: enroll_students,
    ENDING: end_enrollments,
    DELETED: _leave,
}
