"""Work on many rows that outlives a request: a job is a row, does its work batch by batch, and can be resumed.

A batch is one transaction, which locks the job, writes the effects, and saves the job's progress. If a worker dies, the
database sees it die between two batches: nothing is lost and nothing is done twice. `core.retries` decides who takes a
job up, and when it is retried after a failure.
"""

import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import structlog
from django.apps import apps
from django.db import DatabaseError, models, transaction

from . import retries
from .clock import utc_now
from .ids import new_cuid
from .invariants import Breach, Extent, Invariant
from .retries import Retry
from .text import fit

log = structlog.get_logger(__name__)

TAKEN_UP_WITHIN = dt.timedelta(minutes=30)
RETRY = Retry(first_pause_seconds=10, longest_pause_seconds=600, lease=dt.timedelta(minutes=5), attempts=8)


class JobStatus(models.TextChoices):
    QUEUED = "queued", "Queued"  # waits for a worker
    RUNNING = "running", "Running"  # part of it may be done; a worker has it, or the sweep resumes it
    COMPLETED = "completed", "Completed"
    FAILED = "failed", "Failed"  # given up; completed batches stay


UNFINISHED = (JobStatus.QUEUED, JobStatus.RUNNING)


class Job(models.Model):
    """One such piece of work. Each kind adds its own input and its workspace.

    Invariant: `position` and `done` say what is committed, because they are saved with it.
    """

    cuid = models.CharField(max_length=32, unique=True, default=new_cuid, editable=False)
    status = models.CharField(max_length=9, choices=JobStatus.choices, default=JobStatus.QUEUED)
    options = models.JSONField(default=dict, blank=True)
    total = models.PositiveIntegerField(default=0)  # how many rows there were when it began
    done = models.PositiveIntegerField(default=0)
    counts = models.JSONField(default=dict, blank=True)  # how many rows had each outcome, by the outcome's name
    position = models.BigIntegerField(default=0)  # the last completed row
    attempts = models.PositiveSmallIntegerField(default=0)  # failures since the last successful batch
    next_attempt_at = models.DateTimeField(default=utc_now)  # also the lease of the worker that holds it
    last_error = models.CharField(max_length=300, blank=True)
    actor = models.CharField(max_length=64)
    created_at = models.DateTimeField(default=utc_now, editable=False)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True

    @property
    def is_finished(self) -> bool:
        return self.status not in UNFINISHED

    def count(self, found: dict[str, int]) -> None:
        """Add the outcomes of a batch's rows."""
        self.done += sum(found.values())
        self.counts = {name: self.counts.get(name, 0) + found.get(name, 0) for name in {**self.counts, **found}}


AnyJob = TypeVar("AnyJob", bound=Job)
# Does the next batch of a locked job, advances its position, and returns whether there may be more.
Step = Callable[[AnyJob, dt.datetime], bool]
# Called with a job that is given up, so that staff hear of it.
GiveUp = Callable[[AnyJob], None]


def run_job(
    jobs: "models.QuerySet[AnyJob]", *, step: "Step[AnyJob]", give_up: "GiveUp[AnyJob]", at_most: int, now: dt.datetime
) -> bool:
    """Take up the one job that `jobs` select, if it is due, and do up to `at_most` of its batches, passing each the
    time at which it begins. Return whether there is more to do right away.

    A batch that fails leaves the job as the previous batch left it. It is retried later, and eventually given up.
    """
    if not retries.claim(jobs.filter(status__in=UNFINISHED), now=now, lease=RETRY.lease):
        return False
    for _ in range(at_most):
        try:
            more = advance_job(jobs, step=step, now=utc_now())
        except Exception as failure:  # no failure of a batch may stop the other jobs
            _record_failure(jobs, failure, give_up)
            return False
        if not more:
            return False
    jobs.filter(status__in=UNFINISHED).update(next_attempt_at=utc_now())
    return True


@transaction.atomic
def advance_job(jobs: "models.QuerySet[AnyJob]", *, step: "Step[AnyJob]", now: dt.datetime) -> bool:
    """Do one batch of the job; concurrent callers wait for each other. Return whether there may be more."""
    job = jobs.select_for_update(of=("self",), no_key=True).get()
    if job.is_finished:
        return False
    job.started_at = job.started_at or now
    more = step(job, now)
    job.status = JobStatus.RUNNING if more else JobStatus.COMPLETED
    job.finished_at = None if more else now
    job.attempts = 0
    job.last_error = ""
    job.next_attempt_at = now + RETRY.lease
    job.save()
    return more


def due_jobs(jobs: "models.QuerySet[AnyJob]", *, now: dt.datetime) -> "models.QuerySet[AnyJob]":
    """Return the unfinished jobs that no worker has: never started, or abandoned."""
    return retries.due(jobs.filter(status__in=UNFINISHED), now=now)


def due_jobs_are_taken_up(extent: Extent) -> Iterator[Breach]:
    """Every due job is taken up by a worker."""
    for kind in (model for model in apps.get_models() if issubclass(model, Job)):
        left = due_jobs(kind._default_manager.all(), now=extent.now - TAKEN_UP_WITHIN)
        for pk in extent.of(left).values_list("pk", flat=True).iterator():
            yield Breach(f"{kind._meta.verbose_name} {pk}", "is due, and no worker takes it up")


@transaction.atomic
def _record_failure(jobs: "models.QuerySet[Any]", failure: Exception, give_up: "GiveUp[Any]") -> None:
    now = utc_now()
    job = jobs.filter(status__in=UNFINISHED).first()
    if job is None:
        return
    attempts = job.attempts + 1
    # A database's message may quote a row; the error's name never does.
    told = type(failure).__name__ if isinstance(failure, DatabaseError) else f"{type(failure).__name__}: {failure}"
    log.warning("job_failed", job=job.cuid, attempts=attempts, error=type(failure).__name__, exc_info=failure)
    given_up = RETRY.is_used_up(attempts)
    recorded = retries.record_failure(
        jobs.filter(status__in=UNFINISHED),
        retry=RETRY,
        attempts=attempts,
        error=fit(type(job), "last_error", told),
        now=now,
        status=JobStatus.FAILED if given_up else JobStatus.RUNNING,
        finished_at=now if given_up else None,
    )
    if recorded and given_up:
        give_up(job)


INVARIANTS: tuple[Invariant, ...] = (due_jobs_are_taken_up,)
