"""Evaluating all candidates of a program instance: a job that works through them in batches."""

import datetime as dt
from collections import Counter

from celery import signature
from django.db import models, transaction

from accounts.staff_tasks import raise_staff_task
from core.actors import Actor
from core.errors import NotFound
from core.jobs import UNFINISHED, due_jobs, run_job
from core.rows import insert_unless_present
from core.work import nudge
from events.publishing import publish

from .eligibility.batch import judge_many
from .eligibility.record import follow_up
from .eligibility.verdicts import criteria_of
from .emails import tell_families
from .events import EnrollmentStatusChanged
from .history import Journal, write_together
from .lifecycle import apply_verdict
from .locks import lock_candidates
from .models import Enrollment, EvaluationJob, ProgramInstance
from .states import EligibilityStatus
from .task_kinds import EVALUATION_FAILED

BATCH = 1_000
# After this many batches a worker turns to other work, and the job goes back into the queue.
BATCHES_IN_A_ROW = 10
ARE_FAMILIES_TOLD = "are_families_told"  # the option of a job; older jobs lack it and notified nobody
TASK = "enrollments.tasks.evaluate_candidates"


@transaction.atomic
def request_evaluation(
    *, instance_id: int, actor: Actor, are_families_told: bool = True, now: dt.datetime
) -> EvaluationJob:
    """Evaluate all candidates of the instance in the background, and notify their families by mail of the result. While
    a job is running, a repeated request returns it, whether or not it notifies families.
    """
    instance = ProgramInstance.objects.get(pk=instance_id)
    job = EvaluationJob(
        workspace_id=instance.workspace_id,
        instance=instance,
        options={ARE_FAMILIES_TOLD: are_families_told},
        total=count_candidates(instance_id),
        actor=str(actor),
        created_at=now,
        next_attempt_at=now,
    )
    while not insert_unless_present(job):
        going_on = find_going_on(instance_id)
        if going_on is not None:
            return going_on
    nudge(signature(TASK), job.pk)
    return job


def find_going_on(instance_id: int) -> EvaluationJob | None:
    """Return the unfinished job that evaluates the instance's candidates."""
    return EvaluationJob.objects.filter(instance=instance_id, status__in=UNFINISHED).first()


def count_candidates(instance_id: int) -> int:
    """Count the instance's candidates that a job would evaluate."""
    return _candidates(instance_id, after=0).count()


def get_job(*, workspace_id: int, cuid: str) -> EvaluationJob:
    """Return a job of this workspace. Raises NotFound."""
    job = EvaluationJob.objects.filter(workspace=workspace_id, cuid=cuid).first()
    if job is None:
        raise NotFound("There is no such job in this workspace.")
    return job


def evaluate_candidates(*, job_id: int, now: dt.datetime) -> None:
    """Continue the job, if it is due and nobody else holds it."""
    jobs = EvaluationJob.objects.filter(pk=job_id)
    if run_job(jobs, step=_evaluate_batch, give_up=_tell_staff, at_most=BATCHES_IN_A_ROW, now=now):
        nudge(signature(TASK), job_id)


def continue_due_evaluations(*, limit: int, now: dt.datetime) -> int:
    """Sweep: pick up the jobs that were never started, or left behind by a worker that died."""
    found = list(due_jobs(EvaluationJob.objects.all(), now=now)[:limit])
    for job in found:
        evaluate_candidates(job_id=job.pk, now=now)
    return len(found)


def _candidates(instance_id: int, *, after: int) -> models.QuerySet[Enrollment]:
    waiting = Enrollment.objects.kept().filter(instance=instance_id, eligibility_status=EligibilityStatus.CANDIDATE)
    return waiting.filter(pk__gt=after)


def _evaluate_batch(job: EvaluationJob, now: dt.datetime) -> bool:
    """Evaluate the next candidates as `evaluate_enrollment` does each one, in a fixed number of statements."""
    ids = list(_candidates(job.instance_id, after=job.position).order_by("pk").values_list("pk", flat=True)[:BATCH])
    if not ids:
        return False
    instance = ProgramInstance.objects.select_related("program", "workspace").get(pk=job.instance_id)
    enrollments = lock_candidates(ids)
    for enrollment in enrollments:
        enrollment.instance = instance
    verdicts = judge_many(enrollments, criteria=criteria_of(instance), now=now)
    actor = Actor.read(job.actor)
    # Families are notified below, together with all others of the batch.
    journals = [Journal(enrollment, actor, now, is_answered=True) for enrollment in enrollments]
    for journal, verdict in zip(journals, verdicts, strict=True):
        apply_verdict(journal=journal, verdict=verdict)
    events = write_together(journals, now=now)
    publish(*events)
    if job.options.get(ARE_FAMILIES_TOLD, False):
        changes = [event for event in events if isinstance(event, EnrollmentStatusChanged)]
        tell_families(changes, about=enrollments, behind=job.done)
    follow_up(list(zip(enrollments, verdicts, strict=True)), workspace_id=job.workspace_id, now=now)
    job.position = ids[-1]
    job.count(Counter(verdict.outcome.value for verdict in verdicts))
    return len(ids) == BATCH


def _tell_staff(job: EvaluationJob) -> None:
    raise_staff_task(
        workspace_id=job.workspace_id,
        kind=EVALUATION_FAILED,
        subject=f"evaluation:{job.pk}",
        summary=f"The evaluation was given up after {job.done:,} of {job.total:,} candidates.",
    )
