"""What becomes of the records of a batch: counted, noted for whoever undoes it, or told as a fault."""

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
ENDING = "becoming_ineligible"  # had been candidates or eligible, and would not stay so


@dataclass(slots=True)
class Batch:
    """The work on some records of a job, and what becomes of them: `rows` counts the records, `verdicts` what the
    criteria say of them."""

    job: ImportJob
    instance: ProgramInstance
    options: Options
    actor: Actor
    now: dt.datetime
    rows: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)
    kept: list[ImportedRow] = field(default_factory=list)
    faults: list[ImportFault] = field(default_factory=list)
    file: str = ""  # of an archive
    repeated: set[int] = field(default_factory=set)  # lines about somebody whom an earlier batch of a rehearsal had
    made: set[int] = field(default_factory=set)  # learners


class _Rehearsed(Exception):
    """All of it was tried, and nothing of it is kept."""


@contextmanager
def undone_if(is_rehearsal: bool) -> Iterator[None]:
    """Roll back what is done within this block, if it was to be rehearsed."""
    try:
        with transaction.atomic():
            yield
            if is_rehearsal:
                raise _Rehearsed
    except _Rehearsed:
        pass


def fail(batch: Batch, line: int, faults: Sequence[FieldError]) -> None:
    """Refuse a line, and tell what is wrong with it."""
    batch.rows[FAILED] += 1
    batch.faults += [fault_of(batch.job, line, fault, file=batch.file) for fault in faults]


def fault_of(job: ImportJob, line: int, fault: FieldError, *, file: str = "") -> ImportFault:
    """The row that tells what is wrong with a line."""
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
    """Count what became of a line, and note the enrollment. A rehearsal notes the person instead."""
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


def person_key(batch: Batch, learner: Learner) -> str:
    """Stays the same from one batch of a rehearsal to the next, which makes its new learners anew. A roster has them in
    several instances, and tells by their ids who is who."""
    if batch.job.is_roster:
        return hashlib.sha256(f"{batch.instance.pk} {learner.identity}".encode()).hexdigest()
    return learner.person


def undoing(value: Any, now: Any) -> Any:
    """What changes a detail back: metadata is merged, so that what has come has to be taken away by name."""
    if isinstance(value, dict) and isinstance(now, dict) and value != now:
        return {**value, **{name: None for name in now if name not in value}}
    return value
