"""Importing a file of candidates, or a roster, in the background: accept it, process it in batches, and undo it."""

import datetime as dt
from dataclasses import replace
from typing import IO

from celery import signature
from django.db import transaction
from django.db.models import F, QuerySet

from accounts.staff_tasks import raise_staff_task
from core.actors import Actor
from core.errors import NotFound
from core.jobs import JobStatus, due_jobs, run_job
from core.work import nudge

from ..errors import ImportNotReady, UndoTooLate
from ..models import Enrollment, ImportJob, ProgramInstance
from ..queries import refuse_closed
from ..states import ImportStage
from ..task_kinds import IMPORT_FAILED
from .batch import import_batch
from .files import drop_file, keep_records, read_from
from .oneroster.batch import import_roster_batch, part_of
from .oneroster.reading import open_roster
from .options import Options
from .outcome import ENDING
from .reading import Format, Record, read_records
from .retention import is_forgotten
from .undo import undo_batch

BATCH = 1_000
# After this many batches a worker turns to other work, and the job goes back into the queue.
BATCHES_IN_A_ROW = 10
ENDS_AT_MOST = 0.1  # share of the current enrollments that may end without a second confirmation
TASK = "enrollments.tasks.import_candidates"


def receive_import(
    *, instance_id: int, file: IO[bytes], kind: Format, options: Options, actor: Actor, now: dt.datetime
) -> ImportJob:
    """Accept a file of candidates for the instance: it is read to its end and stored, and processed in the background.
    Raises UnreadableFile, InstanceClosed, Unavailable; then nothing is stored.
    """
    instance = ProgramInstance.objects.select_related("program", "workspace").get(pk=instance_id)
    refuse_closed(instance, now)
    job = ImportJob(workspace_id=instance.workspace_id, instance=instance)
    encoding, records = read_records(file, kind)
    job.notice = encoding.notice
    keep_records(job, records)
    return _accept(job, options, actor, now)


def receive_roster(
    *, workspace_id: int, file: IO[bytes], options: Options, actor: Actor, now: dt.datetime
) -> ImportJob:
    """Accept a OneRoster archive, which names districts, people, and classes. Raises UnreadableFile, Unavailable."""
    job = ImportJob(workspace_id=workspace_id)
    with open_roster(file) as roster:
        keep_records(job, roster.records())
    job.notice = roster.notice
    return _accept(job, replace(options, has_endings=roster.has_endings), actor, now)


def _accept(job: ImportJob, options: Options, actor: Actor, now: dt.datetime) -> ImportJob:
    job.stage = _first_stage(options)
    job.options = options.as_json()
    job.actor = str(actor)
    job.created_at = now
    job.next_attempt_at = now
    with transaction.atomic():
        job.save()
        nudge(signature(TASK), job.pk)
    return job


def _first_stage(options: Options) -> ImportStage:
    """Rehearse first what could end enrollments: the brake must know how many before the first one ends."""
    if options.is_rehearsal or (options.can_end_enrollments and not options.may_end_many):
        return ImportStage.REHEARSAL
    return ImportStage.IMPORT


def list_imports(*, workspace_id: int) -> QuerySet[ImportJob]:
    """Return the workspace's imports with their instance."""
    return ImportJob.objects.filter(workspace=workspace_id).select_related("instance")


def get_import(*, workspace_id: int, cuid: str) -> ImportJob:
    """Return one of them. Raises NotFound."""
    job = list_imports(workspace_id=workspace_id).filter(cuid=cuid).first()
    if job is None:
        raise NotFound("There is no such import in this workspace.")
    return job


@transaction.atomic
def carry_out_rehearsed(*, job_id: int, may_end_many: bool, actor: Actor, now: dt.datetime) -> ImportJob:
    """Import the file that was rehearsed, or that the brake stopped. Raises ImportNotReady if its rehearsal is still
    running, if it was already carried out, or if its file is gone.
    """
    job = ImportJob.objects.select_for_update(no_key=True).get(pk=job_id)
    if not job.is_finished or job.stage not in (ImportStage.REHEARSAL, ImportStage.STOPPED):
        raise ImportNotReady("Wait until its rehearsal is done; an import is carried out once.")
    if job.file_deleted_at is not None:
        raise ImportNotReady("Its file was deleted after seven days: send it again.")
    options = replace(Options(**job.options), is_rehearsal=False, may_end_many=may_end_many)
    job.options = options.as_json()
    job.actor = str(actor)
    _begin(job, _first_stage(options), now)
    return job


@transaction.atomic
def undo_import(*, job_id: int, actor: Actor, now: dt.datetime) -> ImportJob:
    """Undo the import in the background: the enrollments it created are deleted, and its changes are reverted. An undo
    that was given up continues where it stopped. Raises ImportNotReady unless the import has finished, and UndoTooLate
    if something was decided since.
    """
    job = ImportJob.objects.select_for_update(no_key=True).get(pk=job_id)
    if job.stage == ImportStage.UNDO:
        if is_half_undone(job):
            job.actor = str(actor)
            _queue(job, now)
        return job
    check_undoable(job, now=now)
    job.actor = str(actor)
    job.total = job.rows.count()
    _begin(job, ImportStage.UNDO, now, counts=job.counts)
    return job


def check_undoable(job: ImportJob, *, now: dt.datetime) -> None:
    """Raise ImportNotReady or UndoTooLate if undoing it would."""
    if is_half_undone(job):
        return
    if not job.is_finished or job.stage != ImportStage.IMPORT:
        raise ImportNotReady("Only an import that has ended can be undone.")
    if is_forgotten(job, now=now):
        raise UndoTooLate("It ended long ago, and what it did is no longer known. Delete what you want to undo.")
    if changed := count_changed_since(job):
        raise UndoTooLate(f"{changed:,} of its enrollments have changed since. Delete them, and undo the others then.")


def is_half_undone(job: ImportJob) -> bool:
    """Return whether undoing it was given up, so that it can be continued."""
    return bool(job.stage == ImportStage.UNDO and job.status == JobStatus.FAILED)


def count_changed_since(job: ImportJob) -> int:
    """Return how many of its enrollments have been changed since by a person or a process, without being deleted."""
    left = job.rows.filter(enrollment__isnull=False, enrollment__deleted_at=None)
    return left.exclude(enrollment__updated_at=F("written_at")).count()


def _begin(job: ImportJob, stage: ImportStage, now: dt.datetime, counts: dict[str, int] | None = None) -> None:
    if stage != ImportStage.UNDO:
        _forget_rehearsal(job)
    job.stage = stage
    job.counts = counts or {}
    job.done = 0
    job.position = 0
    _queue(job, now)


def _queue(job: ImportJob, now: dt.datetime) -> None:
    """Let a worker take it up, from its position."""
    job.status = JobStatus.QUEUED
    job.attempts = 0
    job.finished_at = None
    job.next_attempt_at = now
    job.save()
    nudge(signature(TASK), job.pk)


def _forget_rehearsal(job: ImportJob) -> None:
    job.rows.all().delete()
    job.faults.all().delete()


def import_candidates(*, job_id: int, now: dt.datetime) -> None:
    """Continue the job, if it is due and nobody else holds it."""
    jobs = ImportJob.objects.filter(pk=job_id)
    if run_job(jobs, step=_do_batch, give_up=_tell_staff, at_most=BATCHES_IN_A_ROW, now=now):
        nudge(signature(TASK), job_id)


def continue_due_imports(*, limit: int, now: dt.datetime) -> int:
    """Sweep: pick up the jobs that were never started, or left behind by a worker that died."""
    found = list(due_jobs(ImportJob.objects.all(), now=now)[:limit])
    for job in found:
        import_candidates(job_id=job.pk, now=now)
    return len(found)


def _do_batch(job: ImportJob, now: dt.datetime) -> bool:
    if job.stage == ImportStage.UNDO:
        return undo_batch(job, at_most=BATCH, now=now)
    records, end = read_from(job, at_most=BATCH, part_of=part_of if job.is_roster else _whole)
    if records:
        batch = (import_roster_batch if job.is_roster else import_batch)(job, records, now=now)
        job.count(batch.rows)
        job.counts |= {name: job.counts.get(name, 0) + found for name, found in batch.verdicts.items()}
        job.position = end
        return True
    return _has_more_stages(job, now)


def _whole(record: Record) -> object:
    """A file of candidates has no parts."""
    return None


def _has_more_stages(job: ImportJob, now: dt.datetime) -> bool:
    """Move to the next stage after the file's end: carry out what was rehearsed, unless the brake holds it."""
    if job.stage == ImportStage.IMPORT:
        drop_file(job, now=now)
        return False
    options = Options(**job.options)
    if options.is_rehearsal:
        return False
    if ends_too_many(job):
        job.stage = ImportStage.STOPPED
        return False
    _forget_rehearsal(job)
    job.stage = ImportStage.IMPORT
    job.counts = {}
    job.done = 0
    job.position = 0
    return True


def ends_too_many(job: ImportJob) -> bool:
    """Return whether the import would end, or make ineligible, so many enrollments of the instance (for a roster: of
    the workspace) that a person has to confirm it again.
    """
    current = Enrollment.objects.current()
    whose = current.filter(workspace=job.workspace_id) if job.is_roster else current.filter(instance=job.instance_id)
    return bool(job.counts.get(ENDING, 0) > ENDS_AT_MOST * whose.count())


def _tell_staff(job: ImportJob) -> None:
    raise_staff_task(
        workspace_id=job.workspace_id,
        kind=IMPORT_FAILED,
        subject=f"import:{job.pk}",
        summary=f"The import was given up after {job.done:,} of {job.total:,} lines.",
    )
