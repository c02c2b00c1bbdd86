"""The outcomes of a batch's records: counted, recorded for undoing, or reported as faults."""

import datetime as dt
import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from accounts.models import Learner
from core.actors import Actor
from core.errors import FieldError
from core.text import fit

from ..models import Enrollment, ImportedRow, ImportFault, ImportJob, ProgramInstance
from ..states import ImportStage
from .candidates import Candidate
from .options import Options

IMPORTED = "imported"
UPDATED = "updated"
SKIPPED = "skipped"
FAILED = "failed"
ENDING = "becoming_ineligible"  # were candidates or eligible, and would no longer be


@dataclass(slots=True)
class Batch:
    """Processing some records of a job: `rows` counts them by outcome, `verdicts` by the verdict of the criteria."""

    job: ImportJob
    instance: ProgramInstance
    options: Options
    actor: Actor
    now: dt.datetime
    rows: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)
    kept: list[ImportedRow] = field(default_factory=list)
    faults: list[ImportFault] = field(default_factory=list)
    file: str = ""  # the name of the file within an archive
    repeated: set[int] = field(default_factory=set)  # lines about people whom an earlier batch of a rehearsal had
    made: set[int] = field(default_factory=set)  # ids of the learners that were created


class _Rehearsed(Exception):
    """Everything was tried, and is rolled back."""


@contextmanager
def undone_if(is_rehearsal: bool) -> Iterator[None]:
    """Roll back what is done within this block if it is a rehearsal."""
    try:
        with transaction.atomic():
            yield
            if is_rehearsal:
                raise _Rehearsed
    except _Rehearsed:
        pass


def fail(batch: Batch, line: int, faults: Sequence[FieldError]) -> None:
    """Refuse a line, and report what is wrong with it."""
    batch.rows[FAILED] += 1
    batch.faults += [fault_of(batch.job, line, fault, file=batch.file) for fault in faults]


def fault_of(job: ImportJob, line: int, fault: FieldError, *, file: str = "") -> ImportFault:
    """Return the row that reports a fault of a line."""
    return ImportFault(
        job=job,
        file=file,
        line=line,
        field=fit(ImportFault, "field", fault.field),
        code=fault.code,
        detail=fit(ImportFault, "detail", fault.detail),
    )


def keep(
    batch: Batch,
    candidate: Candidate,
    outcome: str,
    enrollment: Enrollment,
    *,
    person: str = "",
    made: str = "",
    before: dict[str, Any] | None = None,
) -> None:
    """Count the outcome of a line, and record the enrollment. A rehearsal records the person instead."""
    is_rehearsal = batch.job.stage == ImportStage.REHEARSAL
    batch.rows[outcome] += 1
    batch.kept.append(
        ImportedRow(
            job=batch.job,
            file=batch.file,
            line=candidate.line,
            enrollment_id=None if is_rehearsal else enrollment.pk,
            subject="" if is_rehearsal else made,
            person=person if is_rehearsal else "",
            before=before,
            written_at=batch.now,
        )
    )


def fold_repeated(job: ImportJob, rows: Sequence[ImportedRow]) -> list[ImportedRow]:
    """Return the rows to insert. An enrollment that the import made, or changed, before has a row, which is brought up
    to date instead: undoing then deletes it, or brings back what was there before the first change.
    """
    changed = [row.enrollment_id or 0 for row in rows if row.before is not None and _is_foldable(row)]
    if not changed:
        return list(rows)
    known = [row for row in ImportedRow.objects.filter(job=job, enrollment__id__among=changed) if _is_foldable(row)]
    first = {row.enrollment_id: row for row in known}
    new = []
    for row in rows:
        earlier = first.setdefault(row.enrollment_id, row) if _is_foldable(row) else row
        if earlier is row:
            new.append(row)
            continue
        earlier.written_at = row.written_at
        if earlier.before is not None and row.before is not None:
            metadata = row.before.get("metadata", {}) | earlier.before.get("metadata", {})
            earlier.before = row.before | earlier.before | ({"metadata": metadata} if metadata else {})
    ImportedRow.objects.bulk_update(known, ["before", "written_at"])
    return new


def _is_foldable(row: ImportedRow) -> bool:
    """An exit that a roster planned is withdrawn by itself."""
    return row.enrollment_id is not None and "exit" not in (row.before or {})


def person_key(batch: Batch, learner: Learner) -> str:
    """Return a key that stays the same between the batches of a rehearsal, which creates its new learners anew. A
    roster has the same learners in several instances, so their external ids identify them.
    """
    if batch.job.is_roster:
        return hashlib.sha256(f"{batch.instance.pk} {learner.identity}".encode()).hexdigest()
    return learner.person


def undoing(value: Any, now: Any) -> Any:
    """Return the value that reverts a change. Metadata is merged, so added keys must be removed by name."""
    if isinstance(value, dict) and isinstance(now, dict) and value != now:
        return {**value, **{name: None for name in now if name not in value}}
    return value
