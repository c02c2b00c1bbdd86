"""Attendance: staff mark who attended, or who need not; the last required step completes the course."""

import datetime as dt
from collections.abc import Collection

from django.db import transaction
from django.db.models import F

from core.actors import Actor
from core.errors import NotFound, invalid_field
from core.text import fit
from enrollments.locks import lock_enrollment
from events.publishing import publish

from ..errors import StepNotBooked, StepNotOpen
from ..events import StepCompleted, StepEvent, StepExcused, StepExcuseWithdrawn, StepMissed
from ..locks import lock_package, lock_packages_in_session, lock_sessions
from ..models import StepProgress, StudentPackage
from ..states import CAN_BE_ATTENDED, CAN_BE_EXCUSED, CAN_BE_MISSED, StepStatus
from .completion import complete_course
from .steps import give_back_seats_of, step_event

ALL_DONE = "All required steps are done"


@transaction.atomic
def take_attendance(*, session_id: int, came: Collection[int], actor: Actor, now: dt.datetime) -> int:
    """Mark everybody who has a seat in a session: attended if their progress is among those who `came`, missed
    otherwise. Returns how many they are. Learners whose course has ended stay as they were marked.
    """
    lock_packages_in_session(session_id)
    seated = list(StepProgress.objects.of_live_packages().seated().filter(class_session=session_id).order_by("pk"))
    for row in seated:
        _mark(row.pk, StepStatus.COMPLETED if row.pk in came else StepStatus.MISSED, actor, now)
    return len(seated)


@transaction.atomic
def mark_attended(*, progress_id: int, actor: Actor, now: dt.datetime) -> StepProgress:
    """Mark a step attended. The last required step completes the course, and so the participation.

    A step marked missed by mistake can be corrected. Raises StepNotBooked, and NotFound for one that was taken out of
    the course.
    """
    return _mark(progress_id, StepStatus.COMPLETED, actor, now)


@transaction.atomic
def mark_missed(*, progress_id: int, actor: Actor, now: dt.datetime) -> StepProgress:
    """Mark a step missed. A completed course stays completed. Raises StepNotBooked, NotFound."""
    return _mark(progress_id, StepStatus.MISSED, actor, now)


@transaction.atomic
def excuse_step(*, progress_id: int, reason: str, actor: Actor, now: dt.datetime) -> StepProgress:
    """Let a step that was missed, or that has no session, count as attended; the reason is for staff.

    The seat of a missed session is given back. Raises Invalid without a reason, StepNotOpen for a step that is booked
    or done, NotFound.
    """
    if not reason.strip():
        raise invalid_field("reason", "required", "Say why the step counts as attended.")
    seated_in = _find(progress_id).class_session_id
    given_back: dict[str, object] = {}
    if seated_in is not None:
        lock_sessions({seated_in})
        given_back = {"last_session": seated_in, "sequence": F("sequence") + 1, "changed_at": now}
    package = _lock_package(progress_id)
    excused = StepProgress.objects.filter(pk=progress_id, class_session=seated_in, status__in=CAN_BE_EXCUSED).update(
        status=StepStatus.EXCUSED,
        class_session=None,
        option=None,
        booked_at=None,
        completed_at=now,
        excuse=fit(StepProgress, "excuse", reason.strip()),
        **given_back,
    )
    if not package.is_live or not excused:
        raise StepNotOpen(
            "Only a step that was missed or has no session can be excused. If a session is booked, give it back first."
        )
    if seated_in is not None:
        give_back_seats_of([seated_in])
    return _done(progress_id, package, StepExcused, actor, now)


@transaction.atomic
def withdraw_excuse(*, progress_id: int, now: dt.datetime) -> StepProgress:
    """Require the step to be attended after all. A completed course stays completed. Raises StepNotOpen, also for a
    course that has ended, and NotFound.
    """
    package = _lock_package(progress_id)
    if not package.is_live:
        raise StepNotOpen("The course has ended.")
    withdrawn = StepProgress.objects.filter(pk=progress_id, status=StepStatus.EXCUSED).update(
        status=StepStatus.UNBOOKED, completed_at=None, excuse=""
    )
    if not withdrawn:
        raise StepNotOpen("This step is not excused.")
    row = _find(progress_id)
    publish(step_event(StepExcuseWithdrawn, package, row.step_id, None, now))
    return row


def _mark(progress_id: int, status: StepStatus, actor: Actor, now: dt.datetime) -> StepProgress:
    package = _lock_package(progress_id)
    done = status == StepStatus.COMPLETED
    markable = CAN_BE_ATTENDED if done else CAN_BE_MISSED
    moved = (
        StepProgress.objects.of_live_packages()
        .filter(pk=progress_id, status__in=markable)
        .update(status=status, completed_at=now if done else None)
    )
    row = _find(progress_id)
    if not moved and (row.status != status or not package.is_live):
        raise StepNotBooked("Only a booked step of a live course can be marked attended or missed.")
    if moved:
        return _done(progress_id, package, StepCompleted if done else StepMissed, actor, now)
    return row


def _done(
    progress_id: int, package: StudentPackage, event: type[StepEvent], actor: Actor, now: dt.datetime
) -> StepProgress:
    row = _find(progress_id)
    publish(step_event(event, package, row.step_id, row.class_session_id, now))
    complete_course(package_id=package.pk, actor=actor, reason=ALL_DONE, now=now)
    return row


def _lock_package(progress_id: int) -> StudentPackage:
    """Lock the package of a step, after its enrollment, which completing the course changes."""
    found = _find(progress_id)
    lock_enrollment(found.package.enrollment_id)
    return lock_package(found.package_id)


def _find(progress_id: int) -> StepProgress:
    row = StepProgress.objects.select_related("package", "step").filter(pk=progress_id).first()
    if row is None:
        raise NotFound("This step was taken out of the course.")
    return row
