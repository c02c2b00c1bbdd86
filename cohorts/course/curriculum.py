"""The contents of a course that may already have been sold: a new step reaches every package, and a step in use stays.

All changes lock the course's cohorts. A purchase reads the steps while its cohort is locked, so its package is created
either before the change, and is changed with the others, or after it. A change that leaves a learner without required
steps to do completes their course.
"""

import datetime as dt

from django.db import transaction
from django.db.models import Exists, OuterRef

from core.actors import Actor
from core.errors import NotFound
from core.numbers import counted

from ..errors import StepInUse
from ..learning.completion import complete_courses
from ..locks import lock_cohorts_of, lock_sessions, lock_unfinished
from ..models import Cohort, CohortSession, CourseStep, StepProgress, StudentPackage
from ..states import SEATED, StepStatus


@transaction.atomic
def add_step(*, step: CourseStep) -> CourseStep:
    """Save a new step of a course. Learners who already have the course get it too, to be booked like their other
    steps; learners who have completed the course keep that.
    """
    step.save()
    lock_cohorts_of(step.program_id)
    packages = StudentPackage.objects.live().filter(program=step.program_id).order_by("pk")
    StepProgress.objects.bulk_create([StepProgress(package=package, step=step) for package in packages])
    return step


@transaction.atomic
def save_step(*, step: CourseStep, actor: Actor, now: dt.datetime) -> CourseStep:
    """Save edits to a step. If it is no longer required, it may have been the last one that somebody lacked.

    Raises NotFound if it was removed in the meantime.
    """
    lock_cohorts_of(step.program_id)
    if not CourseStep.objects.filter(pk=step.pk).exists():
        raise _removed()
    step.save(force_update=True)
    _complete(step.program_id, f"{step.label} is no longer required", actor, now)
    return step


@transaction.atomic
def remove_step(*, step_id: int, actor: Actor, now: dt.datetime) -> CourseStep:
    """Remove a step from its course, with its classes and the cohorts' sessions for it. A cohort that is left without
    sessions is closed.

    Raises StepInUse, changing nothing, if the step holds a seat for anybody: booked, attended, or missed; NotFound if
    it was removed already.
    """
    step = CourseStep.objects.filter(pk=step_id).first()
    if step is None:
        raise _removed()
    lock_cohorts_of(step.program_id)
    # A booking takes its seat first: with the sessions locked, it is seen below, or too late to find the step.
    lock_sessions(set(step.cohort_sessions.values_list("class_session_id", flat=True)))
    refuse_in_use(step)
    # Before the steps that it deletes, as somebody who excuses one of them locks them.
    lock_unfinished(StudentPackage.objects.filter(program=step.program_id))
    step.progress.all().delete()
    step.cohort_sessions.all().delete()
    step.options.all().delete()
    step.delete()
    _close_empty_cohorts(step.program_id)
    _complete(step.program_id, f"{step.label} was taken out of the course", actor, now)
    return step


def _removed() -> NotFound:
    return NotFound("This step was already removed.")


def _complete(program_id: int, reason: str, actor: Actor, now: dt.datetime) -> None:
    packages = StudentPackage.objects.filter(program=program_id)
    complete_courses(packages=packages, actor=actor, reason=reason, now=now)


def _close_empty_cohorts(program_id: int) -> None:
    """Close every cohort that has no session left; staff reopen it once it has one."""
    scheduled = CohortSession.objects.filter(cohort=OuterRef("pk"))
    Cohort.objects.filter(~Exists(scheduled), instance__program=program_id).update(is_active=False)


def refuse_in_use(step: CourseStep) -> None:
    """Raise StepInUse if the step holds a seat for anybody."""
    seated = step.progress.filter(status__in=SEATED)
    attended = seated.exclude(status=StepStatus.BOOKED).count()
    if attended:
        raise StepInUse(
            f"{counted(attended, 'learner')} attended or missed {step}: it stays. Make it not required instead."
        )
    booked = seated.count()
    if booked:
        raise StepInUse(
            f"{booked} learners have a session booked for {step}: cancel their bookings first, or make the step not "
            "required."
        )
