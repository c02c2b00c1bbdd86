"""Completing a course: once every required step is done, for whatever reason, and permanently.

Attendance, an excuse, and a step that is removed from the course or made optional all lead here. A required step that
is added later reopens nothing: a completed course stays completed. A course without a required step is never completed.
"""

import datetime as dt

import structlog
from django.db import transaction

from core.actors import SYSTEM, Actor
from core.time_words import day
from enrollments.lifecycle import finish_participation
from enrollments.models import ProgramInstance
from enrollments.states import ParticipationStatus
from events.publishing import publish

from ..events import PackageCompleted
from ..locks import lock_unfinished
from ..models import StudentPackage, StudentPackageQuerySet
from ..queries import due_to_complete
from .packages import package_event

log = structlog.get_logger(__name__)


def complete_course(*, package_id: int, actor: Actor, reason: str, now: dt.datetime) -> bool:
    """Complete a package whose last required step was just done; returns whether it was completed now. The caller has
    locked the enrollment and the package.
    """
    package = due_to_complete().select_related("learner", "enrollment").filter(pk=package_id).first()
    if package is None:
        return False
    ended = finish_participation(enrollment_id=package.enrollment_id, actor=actor, reason=reason, now=now)
    if ended.participation_status != ParticipationStatus.COMPLETED:
        return False
    StudentPackage.objects.filter(pk=package_id).update(completed_at=now)
    publish(package_event(PackageCompleted, package, now))
    return True


def tell_early_end(*, instance: ProgramInstance, ends_on: dt.date | None, last_day: dt.date) -> list[str]:
    """Return a note for staff if enrollments in the instance end, and so count as completed, before a cohort does."""
    if ends_on is None or ends_on >= last_day:
        return []
    return [
        f"Enrollments in {instance} end on {day(ends_on)} and count as completed then, before the cohort's last day, "
        f"{day(last_day)}: give {instance} a later end."
    ]


def complete_courses(*, packages: StudentPackageQuerySet, actor: Actor, reason: str, now: dt.datetime) -> int:
    """Complete all of these after their course has changed; returns how many were completed now.

    All of them are locked before they are checked: attendance that is being marked at the same time is either seen
    here, or waits and sees the changed course.
    """
    due = due_to_complete().filter(pk__in=lock_unfinished(packages)).order_by("enrollment_id")
    ids = list(due.values_list("pk", flat=True))
    return sum(complete_course(package_id=package, actor=actor, reason=reason, now=now) for package in ids)


def complete_due_courses(*, now: dt.datetime, limit: int = 100) -> int:
    """Complete courses that should be complete but are not, for whatever reason; returns how many."""
    ids = list(due_to_complete().order_by("pk").values_list("pk", flat=True)[:limit])
    return sum(_try_to_complete(package_id, now) for package_id in ids)


def _try_to_complete(package_id: int, now: dt.datetime) -> int:
    """Complete one package. A failure must not delay the others; the next sweep tries it again."""
    packages = StudentPackage.objects.filter(pk=package_id)
    try:
        with transaction.atomic():
            return complete_courses(packages=packages, actor=SYSTEM, reason="All required steps are done", now=now)
    except Exception:
        log.exception("course_not_completed", package=package_id)
        return 0
