"""Steps that nobody can book any more: their sessions have begun, or there never were any. Staff decide what happens to
them, and families are not asked to choose when there is no choice.
"""

import datetime as dt
from collections.abc import Collection, Iterable

from django.db import transaction

from accounts.models import StaffTask
from accounts.staff_tasks import raise_staff_task, settle_staff_task
from accounts.states import TaskStatus
from accounts.task_kinds import TaskKind

from ..locks import lock_package_row
from ..models import CourseStep, StepProgressQuerySet, StudentPackage
from ..queries import stranded_progress, waiting_progress
from ..task_kinds import NO_SESSION, ONLY_SESSION_FULL, ONLY_SESSION_OVERLAPS

SETTLED = "The step no longer waits for it."


def report_stranded_steps(*, now: dt.datetime, limit: int = 200) -> int:
    """Raise a task for every required step of a live, uncompleted package that has no session left to book, for
    whatever reason: a purchase in a cohort that is under way, a choice not made in time, a new step without a class.
    Returns how many are new; a task that staff have closed is not raised again.
    """
    rows = stranded_progress(now).filter(step__required=True).select_related("package__learner", "step")
    settled = StaffTask.objects.filter(kind=NO_SESSION.name).exclude(status=TaskStatus.DONE, resolution=SETTLED)
    reported = set(settled.values_list("subject", flat=True))
    new = [row for row in rows.order_by("pk") if subject_of(row.package_id, row.step_id) not in reported][:limit]
    for row in new:
        with transaction.atomic():
            raise_task(package=row.package, step=row.step)
    return len(new)


def settle_needless_tasks(*, now: dt.datetime) -> int:
    """Complete the tasks about steps that no longer wait for what the task asks: a session was booked or offered, the
    step was excused or removed, or the course ended. Returns how many.
    """
    waiting = waiting_progress()
    stranded = stranded_progress(now).filter(step__required=True)
    return sum(
        _settle_needless(kind, rows, now)
        for kind, rows in ((NO_SESSION, stranded), (ONLY_SESSION_FULL, waiting), (ONLY_SESSION_OVERLAPS, waiting))
    )


def _settle_needless(kind: TaskKind, waiting: StepProgressQuerySet, now: dt.datetime) -> int:
    open_tasks = StaffTask.objects.filter(kind=kind.name, status=TaskStatus.OPEN)
    subjects = set(open_tasks.values_list("subject", flat=True))
    packages = {subject: _package_of(subject) for subject in subjects}
    needless = subjects - _subjects_of(waiting, packages.values())
    return sum(_settle_if_needless(kind, subject, packages[subject], waiting, now) for subject in sorted(needless))


@transaction.atomic
def _settle_if_needless(
    kind: TaskKind, subject: str, package_id: int, waiting: StepProgressQuerySet, now: dt.datetime
) -> bool:
    """Complete one task, unless its step waits again by the time its package is locked."""
    lock_package_row(package_id)
    is_needless = subject not in _subjects_of(waiting, [package_id])
    if is_needless:
        settle_staff_task(kind=kind, subject=subject, resolution=SETTLED, now=now)
    return is_needless


def _subjects_of(waiting: StepProgressQuerySet, package_ids: Collection[int]) -> set[str]:
    rows = waiting.filter(package__pk__among=package_ids).values_list("package_id", "step_id")
    return {subject_of(package_id, step_id) for package_id, step_id in rows}


def _package_of(subject: str) -> int:
    return int(subject.partition("/")[0].removeprefix("package:"))


def raise_task(*, package: StudentPackage, step: CourseStep) -> None:
    """Ask staff for a session, or an excuse; part of the caller's transaction."""
    raise_staff_task(
        workspace_id=package.learner.workspace_id,
        kind=NO_SESSION,
        subject=subject_of(package.pk, step.pk),
        summary=f"{step.label} has no session left to book: put one on the cohort's calendar, or excuse the step.",
    )


def subject_of(package_id: int, step_id: int) -> str:
    """Return the subject of the task."""
    return f"package:{package_id}/step:{step_id}"


def labels_of(steps: Iterable[CourseStep]) -> str:
    """Return, for example, "Week 1 and Week 3"."""
    labels = [step.label for step in steps]
    return " and ".join([", ".join(labels[:-1]), labels[-1]] if len(labels) > 1 else labels)
