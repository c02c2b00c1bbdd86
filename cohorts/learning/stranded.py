"""Steps that nobody can book any more: their sessions have begun, or there never were any. Staff decide what happens to
them, and families are not asked to choose when there is no choice.
"""

import datetime as dt
from collections.abc import Iterable

from django.db import transaction

from accounts.models import StaffTask
from accounts.staff_tasks import raise_staff_task

from ..models import CourseStep, StudentPackage
from ..queries import stranded_progress
from ..task_kinds import NO_SESSION


def report_stranded_steps(*, now: dt.datetime, limit: int = 200) -> int:
    """Raise a task for every required step of a live, uncompleted package that has no session left to book, for
    whatever reason: a purchase in a cohort that is under way, a choice not made in time, a new step without a class.
    Returns how many are new; a task that staff have closed is not raised again.
    """
    rows = stranded_progress(now).filter(step__required=True).select_related("package__learner", "step")
    reported = set(StaffTask.objects.filter(kind=NO_SESSION.name).values_list("subject", flat=True))
    new = [row for row in rows.order_by("pk") if subject_of(row.package_id, row.step_id) not in reported][:limit]
    for row in new:
        with transaction.atomic():
            raise_task(package=row.package, step=row.step)
    return len(new)


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
