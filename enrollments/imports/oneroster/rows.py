"""Processing records of a roster, and their outcomes."""

import datetime as dt
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction

from core.actors import Actor
from core.errors import DomainError, FieldError, Unavailable

from ...models import Enrollment, ImportedRow, ImportFault, ImportJob
from ...states import ImportStage
from ..options import Options
from ..outcome import FAILED, fault_of
from ..reading import Record

TO_BE_DELETED = "to_be_deleted"  # organizations, people, and classes, which stay


@dataclass(slots=True)
class RosterBatch:
    """`rows` counts the records by outcome, `verdicts` the enrollments by the verdict of the criteria."""

    job: ImportJob
    options: Options
    actor: Actor
    now: dt.datetime
    rows: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)
    kept: list[ImportedRow] = field(default_factory=list)
    faults: list[ImportFault] = field(default_factory=list)

    @property
    def is_rehearsal(self) -> bool:
        return bool(self.job.stage == ImportStage.REHEARSAL)

    def fail(self, record: Record, *faults: FieldError) -> None:
        self.rows[FAILED] += 1
        self.tell(record, *faults)

    def tell(self, record: Record, *faults: FieldError) -> None:
        """Store the faults of a record, whatever its outcome."""
        self.faults += [fault_of(self.job, record.line, fault, file=record.file) for fault in faults]

    def attempt(self, record: Record, write: Callable[[], str]) -> None:
        """Process one record, whose outcome is what `write` returns. A refusal rolls it back."""
        try:
            with transaction.atomic():
                outcome = write()
        except Unavailable:
            raise
        except DomainError as refusal:
            self.fail(record, *(refusal.errors or [FieldError("row", refusal.code, refusal.detail)]))
        else:
            self.rows[outcome] += 1

    def keep(
        self, record: Record, subject: str, before: dict[str, Any], *, enrollment: Enrollment | None = None
    ) -> None:
        """Record what was created or changed, so that it can be undone. A rehearsal has nothing to undo."""
        if not self.is_rehearsal:
            self.kept.append(
                ImportedRow(
                    job=self.job,
                    file=record.file,
                    line=record.line,
                    subject=subject,
                    enrollment=enrollment,
                    before=before,
                    written_at=enrollment.updated_at if enrollment else self.now,
                )
            )


Write = Callable[[RosterBatch, Sequence[Record]], None]
