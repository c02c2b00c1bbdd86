"""Attendance: staff say who came, and the course is completed when every required step is."""

import datetime as dt

from django.db import transaction

from enrollment_project.core.actors import Actor
from enrollment_project.core.clock import utc_now
from enrollments.completion import finish_participation
from enrollments.locks import lock_enrollment
from events.publishing import publish

from .errors import StepNotBooked
from .events import StepCompleted, StepMissed
from .locks import lock_package
from .models import StepProgress, StudentPackage
from .states import StepStatus


@transaction.atomic
def mark_attended(*, progress_id: int, actor: Actor, now: dt.datetime | None = None) -> StepProgress:
    """The learner came. With the last required step the course is completed, and so is the participation.

    A step marked missed by mistake can be corrected. Raises StepNotBooked.
    """
    return _mark(progress_id, StepStatus.COMPLETED, actor, now or utc_now())


@transaction.atomic
def mark_missed(*, progress_id: int, actor: Actor, now: dt.datetime | None = None) -> StepProgress:
    """The session passed without the learner. Raises StepNotBooked."""
    return _mark(progress_id, StepStatus.MISSED, actor, now or utc_now())


def _mark(progress_id: int, status: StepStatus, actor: Actor, now: dt.datetime) -> StepProgress:
    found = StepProgress.objects.select_related("package").get(pk=progress_id)
    lock_enrollment(found.package.enrollment_id)  # which completing the course changes, so before the package
    package = lock_package(found.package_id)
    done = status == StepStatus.COMPLETED
    markable = [StepStatus.BOOKED, StepStatus.MISSED if done else StepStatus.COMPLETED]
    moved = StepProgress.objects.filter(pk=progress_id, status__in=markable).update(
        status=status, completed_at=now if done else None
    )
    row = StepProgress.objects.select_related("package", "step").get(pk=progress_id)
    if not moved and row.status != status:
        raise StepNotBooked("Only a booked step can be marked attended or missed.")
    if moved:
        event = StepCompleted if done else StepMissed
        publish(
            event(
                workspace_id=package.learner.workspace_id,
                package_id=package.pk,
                step_id=row.step_id,
                class_session_id=row.class_session_id,
            ),
            now=now,
        )
        if done and is_course_complete(package):
            finish_participation(enrollment_id=package.enrollment_id, actor=actor, reason="All steps attended", now=now)
    return row


def is_course_complete(package: StudentPackage) -> bool:
    """Whether the package has a required step and every required one was attended."""
    required = StepProgress.objects.filter(package=package, step__required=True)
    return required.exists() and not required.exclude(status=StepStatus.COMPLETED).exists()
