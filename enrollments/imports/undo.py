"""Taking back what an import has done, batch by batch. Whatever has changed since is left as it is, and counted."""

import datetime as dt
from collections import Counter
from collections.abc import Sequence

from core.actors import Actor, read_actor
from core.errors import require
from events.event import DomainEvent
from events.publishing import publish

from ..changes import change_enrollment
from ..deletion import DELETED
from ..events import EnrollmentDeleted
from ..history import Journal, write_together
from ..locks import lock_imported
from ..models import Enrollment, ImportedRow, ImportJob

UNDONE = "undone"
KEPT = "kept"


def undo_batch(job: ImportJob, *, at_most: int, now: dt.datetime) -> bool:
    """Undo the next rows; returns whether there may be more."""
    rows = list(job.rows.filter(pk__gt=job.position).order_by("pk")[:at_most])
    if not rows:
        return False
    actor = read_actor(job.actor)
    enrollments = {enrollment.pk: enrollment for enrollment in lock_imported([_enrollment_of(row) for row in rows])}
    untouched = [row for row in rows if _is_untouched(row, enrollments)]
    _delete([enrollments[_enrollment_of(row)] for row in untouched if row.before is None], actor, now)
    changed_back = [_change_back(row, enrollments, actor, now) for row in untouched if row.before is not None]
    undone = sum(row.before is None for row in untouched) + sum(changed_back)
    job.position = rows[-1].pk
    job.count(Counter({UNDONE: undone, KEPT: len(rows) - undone}))
    return len(rows) == at_most


def _enrollment_of(row: ImportedRow) -> int:
    return require(row.enrollment_id, "a row of what was carried out names its enrollment")


def _is_untouched(row: ImportedRow, enrollments: dict[int, Enrollment]) -> bool:
    enrollment = enrollments.get(_enrollment_of(row))
    return enrollment is not None and enrollment.deleted_at is None and enrollment.updated_at == row.written_at


def _delete(enrollments: Sequence[Enrollment], actor: Actor, now: dt.datetime) -> None:
    """As `delete_enrollment` does each. Nothing was decided about them, so they hold neither seat nor money."""
    journals = [Journal(enrollment, actor, now, is_answered=True) for enrollment in enrollments]
    for journal in journals:
        journal.change("withdraw", reason=DELETED)
        journal.set(deleted_at=now)
    changes = write_together(journals, now=now)
    deleted: list[DomainEvent] = [
        EnrollmentDeleted(
            workspace_id=enrollment.workspace_id,
            occurred_at=now,
            enrollment_cuid=enrollment.cuid,
            program_instance_cuid=enrollment.instance.cuid,
            payment_status=enrollment.payment_status,
        )
        for enrollment in enrollments
    ]
    publish(*changes, *deleted)


def _change_back(row: ImportedRow, enrollments: dict[int, Enrollment], actor: Actor, now: dt.datetime) -> bool:
    """False for one whose status the import has changed: no edge leads back from there."""
    before = dict(row.before or {})
    status = before.pop("status", "")
    enrollment = enrollments[_enrollment_of(row)]
    if enrollment.eligibility_status != status:
        return False
    change_enrollment(enrollment_id=enrollment.pk, changes=before, actor=actor, now=now)
    return True
