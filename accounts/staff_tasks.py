"""Tasks that wait for a person: raised by code that can't decide alone, completed by staff with a note on how."""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence

import structlog
from django.db.models import Q, QuerySet
from django.db.models.functions import Reverse

from core.errors import Contradiction, DomainError, NotFound, invalid_field
from core.rows import insert_unless_present
from core.text import fit

from .models import StaffTask, User
from .states import TaskStatus
from .task_kinds import TaskKind

log = structlog.get_logger(__name__)

TRIES = 3  # the open task that stands in the way may be completed at that moment


class TaskAlreadyDone(DomainError):
    code = "task_already_done"
    title = "This task has already been completed"


def raise_staff_task(*, workspace_id: int, kind: TaskKind, subject: str, summary: str) -> StaffTask:
    """Ask staff to look at `subject` (e.g. "payment:12"). While a task of this kind about it is open, that one stands.

    Joins the caller's transaction, so a task exists exactly if what it is about happened. `summary` contains no names.
    """
    task = StaffTask(
        workspace_id=workspace_id, kind=kind.name, subject=subject, summary=fit(StaffTask, "summary", summary)
    )
    for _ in range(TRIES):
        if insert_unless_present(task):
            log.info("staff_task_raised", task=task.pk, kind=kind.name, subject=subject)
            return task
        standing = StaffTask.objects.filter(kind=kind.name, subject=subject, status=TaskStatus.OPEN).first()
        if standing is not None:
            return standing
    raise Contradiction(f"No open task {kind.name} about {subject} stands, and none can be added.")


def raise_staff_task_once(*, workspace_id: int, kind: TaskKind, subject: str, summary: str) -> bool:
    """Do the same for a question that is asked only once: return False and do nothing if a task already asks it,
    whether open or done. The kind has its own unique constraint for that."""
    task = StaffTask(
        workspace_id=workspace_id, kind=kind.name, subject=subject, summary=fit(StaffTask, "summary", summary)
    )
    raised = insert_unless_present(task)
    if raised:
        log.info("staff_task_raised", task=task.pk, kind=kind.name, subject=subject)
    return raised


def raise_staff_tasks(*, workspace_id: int, kind: TaskKind, summaries: Mapping[str, str]) -> None:
    """Do the same for many subjects with one statement; `summaries` has the summary of each."""
    StaffTask.objects.bulk_create(
        [
            StaffTask(
                workspace_id=workspace_id, kind=kind.name, subject=subject, summary=fit(StaffTask, "summary", summary)
            )
            for subject, summary in summaries.items()
        ],
        ignore_conflicts=True,
    )


def complete_staff_task(*, task_id: int, user: User, resolution: str, now: dt.datetime) -> StaffTask:
    """Complete a task with a note on how it was resolved. Raises Invalid without one, NotFound, TaskAlreadyDone."""
    if not resolution.strip():
        raise invalid_field("resolution", "blank", "Say how the task was resolved.")
    closed = StaffTask.objects.filter(pk=task_id, status=TaskStatus.OPEN).update(
        status=TaskStatus.DONE, done_at=now, done_by=user, resolution=resolution.strip()
    )
    task = StaffTask.objects.filter(pk=task_id).first()
    if task is None:
        raise NotFound("There is no such task.")
    if not closed:
        raise TaskAlreadyDone(f"The task was completed already: {task.resolution}")
    return task


def settle_staff_task(*, kind: TaskKind, subject: str, resolution: str, now: dt.datetime) -> None:
    """Close the open task of this kind about the subject, if there is one, because it has resolved itself."""
    settle_staff_tasks(kind=kind, subjects=[subject], resolution=resolution, now=now)


def settle_staff_tasks(*, kind: TaskKind, subjects: Sequence[str], resolution: str, now: dt.datetime) -> None:
    """Do the same for many subjects with one statement."""
    waiting = StaffTask.objects.filter(kind=kind.name, subject__among=subjects, status=TaskStatus.OPEN)
    if settled := waiting.update(status=TaskStatus.DONE, done_at=now, resolution=resolution):
        log.info("staff_tasks_settled", kind=kind.name, subjects=list(subjects)[:20], settled=settled)


def find_tasks_about(
    *, workspace_id: int, subjects: Collection[str], learner_ids: Collection[int]
) -> QuerySet[StaffTask]:
    """Return the tasks, open or done, about these subjects, or about parts of them. A task about two learners may name
    them last, which an index finds by the end of the subject, read backwards."""
    named = Q(subject__in=subjects)
    for subject in subjects:
        named |= Q(subject__startswith=f"{subject}/")
    for learner_id in learner_ids:
        named |= Q(backwards__startswith=f"/learner:{learner_id}"[::-1])
    return StaffTask.objects.alias(backwards=Reverse("subject")).filter(named, workspace=workspace_id)
