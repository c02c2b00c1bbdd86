"""Undoing an import, batch by batch, in reverse order. Whatever has changed since is left as it is, and counted."""

import datetime as dt
from collections import Counter
from collections.abc import Sequence

from django.db.models import BigIntegerField, F, QuerySet
from django.db.models.fields.json import KT
from django.db.models.functions import Cast

from accounts.models import Guardian, Learner
from core.actors import Actor
from core.errors import NotFound
from core.rows import lock_rows
from events.event import DomainEvent
from events.publishing import publish

from ..changes import change_enrollment
from ..deletion import DELETED
from ..eligibility.record import settle_deleted
from ..events import EnrollmentDeleted
from ..exit import find_planned_exit, withdraw_exit
from ..history import Journal, write_together
from ..locks import lock_enrollments
from ..models import Enrollment, ImportedRow, ImportJob, PlannedExit
from ..states import ExitStatus, ImportStage
from .oneroster.undo import take_back

UNDONE = "undone"
KEPT = "kept"
LEARNERS_KEPT = "learners_kept"  # created by the import; the records of their deleted enrollments refer to them


def describe_undo(job: ImportJob) -> tuple[str, ...]:
    """Describe what undoing an import would do, one sentence each, provided nothing changes until then."""
    rows = rows_left(job)
    of_enrollments = rows.filter(enrollment__isnull=False, enrollment__deleted_at=None)
    changed = of_enrollments.filter(before__isnull=False).annotate(was=KT("before__status"))
    kept = changed.exclude(enrollment__eligibility_status=F("was")).count()
    with_exit = changed.filter(before__has_key="exit")
    exits = PlannedExit.objects.filter(
        status=ExitStatus.PLANNED, pk__in=with_exit.values(plan=Cast(KT("before__exit"), BigIntegerField()))
    ).count()
    of_people = rows.filter(enrollment=None).exclude(subject="").count()
    told = [
        f"Enrollments that are deleted: {of_enrollments.filter(before__isnull=True).count():,}.",
        f"Enrollments that are changed back: {changed.count() - kept - with_exit.count():,}.",
    ]
    told += [f"Planned exits that are withdrawn: {exits:,}."] if exits else []
    told += [f"Enrollments that keep the status which the import has given them: {kept:,}."] if kept else []
    if of_people:
        told.append(f"Districts, guardians and learners that it made or changed: {of_people:,}. Those in use stay.")
    return tuple(told)


def undo_batch(job: ImportJob, *, at_most: int, now: dt.datetime) -> bool:
    """Undo the next rows; returns whether there may be more."""
    rows = list(rows_left(job).order_by("-pk")[:at_most])
    if not rows:
        return False
    actor = Actor.read(job.actor)
    named = [row.enrollment_id for row in rows if row.enrollment_id is not None]
    lock_rows(Learner, *_learners_of(rows, named))
    lock_rows(Guardian, *_keys(rows, "guardian"))
    enrollments = {enrollment.pk: enrollment for enrollment in lock_enrollments(named)}
    untouched = [row for row in rows if _is_untouched(row, enrollments)]
    new = [row for row in untouched if row.before is None]
    _delete([enrollments[row.enrollment_id] for row in new if row.enrollment_id is not None], actor, now)
    changed_back = [_change_back(row, enrollments, actor, now) for row in untouched if row.before is not None]
    taken_back = [take_back(row, now=now) for row in rows if row.enrollment_id is None]
    undone = len(new) + sum(changed_back) + sum(taken_back)
    job.position = rows[-1].pk
    job.count(Counter({UNDONE: undone, KEPT: len(rows) - undone}))
    staying = len(_keys(new, "learner"))
    job.counts[LEARNERS_KEPT] = job.counts.get(LEARNERS_KEPT, 0) + staying
    return len(rows) == at_most


def rows_left(job: ImportJob) -> QuerySet[ImportedRow]:
    """Return the rows of the import that are not undone yet: all of them, unless it has begun."""
    has_begun = job.stage == ImportStage.UNDO and job.position
    return job.rows.filter(pk__lt=job.position) if has_begun else job.rows.all()


def _keys(rows: Sequence[ImportedRow], kind: str) -> list[int]:
    """Return the ids of the learners or guardians whom the rows created or changed."""
    named = (row.subject.partition(":") for row in rows)
    return [int(key) for what, _, key in named if what == kind]


def _learners_of(rows: Sequence[ImportedRow], enrollment_ids: Sequence[int]) -> set[int]:
    """Return the learners whom the rows created, changed, or enrolled."""
    enrolled = Enrollment.objects.filter(pk__among=enrollment_ids, learner__isnull=False)
    return {*_keys(rows, "learner"), *enrolled.values_list("learner", flat=True)}


def _is_untouched(row: ImportedRow, enrollments: dict[int, Enrollment]) -> bool:
    enrollment = enrollments.get(row.enrollment_id or 0)
    return enrollment is not None and enrollment.deleted_at is None and enrollment.updated_at == row.written_at


def _delete(enrollments: Sequence[Enrollment], actor: Actor, now: dt.datetime) -> None:
    """Delete enrollments as `delete_enrollment` does. Nothing was decided about them; they hold no seat or money."""
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
    settle_deleted(enrollments, now=now)


def _change_back(row: ImportedRow, enrollments: dict[int, Enrollment], actor: Actor, now: dt.datetime) -> bool:
    """Return False for an enrollment whose status the import changed, as no transition leads back, for an exit that the
    import planned and somebody has withdrawn or replaced since, and for what was deleted or erased since.
    """
    before = dict(row.before or {})
    status = before.pop("status", "")
    enrollment = enrollments[row.enrollment_id or 0]
    if enrollment.eligibility_status != status:
        return False
    if planned := before.pop("exit", None):
        waiting = find_planned_exit(enrollment.pk)
        if waiting is None or waiting.pk != planned:
            return False
        withdraw_exit(planned_exit_id=planned, actor=actor, now=now)
        return True
    try:
        change_enrollment(enrollment_id=enrollment.pk, changes=before, actor=actor, now=now)
    except NotFound:
        return False
    return True
