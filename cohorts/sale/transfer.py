"""Moving a learner to another cohort of the same course; the place moves along, and nothing is held twice or lost."""

import datetime as dt

from django.db import models, transaction

from core.actors import SYSTEM, Actor
from core.errors import invalid_field
from events.publishing import publish

from ..errors import PackageNotFound, StepsStranded
from ..events import PackageMoved
from ..learning.attendance import excuse_step
from ..learning.packages import package_event
from ..learning.steps import book_only_options, free_sessions
from ..learning.stranded import labels_of, raise_task
from ..locks import (
    lock_cohort,
    lock_enrollment_row,
    lock_learner_of_package,
    lock_package,
    lock_place,
    lock_sessions,
)
from ..models import (
    ClassSession,
    Cohort,
    CohortPlace,
    CohortSession,
    CourseStep,
    StepProgress,
    StudentPackage,
)
from ..queries import steps_without_session, stranded_progress
from ..states import TO_ATTEND, StepStatus
from .fulfilment import ask_for_sessions
from .places import release_place, take_free_place, take_place
from .waitlist import end_accepted, offer_free_places


class Stranded(models.TextChoices):
    """What happens to required steps that can't be booked after a move."""

    EXCUSE = "excuse", "Excuse them: they count as attended"
    CATCH_UP = "catch_up", "Find another session for them: you get a task for each"


@transaction.atomic
def move_package(
    *,
    package_id: int,
    cohort_id: int,
    stranded: Stranded | None = None,
    excuse: str = "",
    actor: Actor = SYSTEM,
    now: dt.datetime,
) -> StudentPackage:
    """Move a live package to another cohort: the new place is taken, the old one freed, sessions not yet attended are
    given back, and steps that leave no choice are booked again.

    `stranded` decides about required steps for which the new cohort has no session left: they are excused (with the
    reason `excuse`, for staff), or a task asks for another session. Raises PackageNotFound, Invalid for a cohort of
    another course, the same one, or one that they are paying for, CohortFull, and StepsStranded if there are such steps
    and nobody has decided.
    """
    found = lock_learner_of_package(package_id)  # their next booking waits, and then sees the new cohort
    if found is None:
        raise PackageNotFound
    cohorts = {pk: lock_cohort(pk) for pk in sorted({found.cohort_id, cohort_id})}
    target = cohorts[cohort_id]
    if cohort_id == found.cohort_id or target.instance.program_id != found.program_id:
        raise invalid_field("cohort", "not_a_choice", "Choose another cohort of the same course.")
    lost = stranded_steps(package=found, cohort=target, now=now)
    if lost and stranded is None:
        raise StepsStranded(f"{target.name} has no session left for {labels_of(lost)}: first say what becomes of them.")
    if lost and stranded == Stranded.EXCUSE and not excuse.strip():
        raise invalid_field("excuse", "required", "Say why the steps count as attended.")
    lock_sessions(_sessions_touched(found, cohort_id))
    lock_enrollment_row(found.enrollment_id)  # an excused step may be the last one that it waits for
    held = CohortPlace.objects.held().filter(cohort=target, learner=found.learner_id).values_list("pk", flat=True)
    places = {pk: lock_place(pk) for pk in sorted({found.place_id, *held})}
    old_place = places[found.place_id]
    package = lock_package(package_id)
    if not package.is_live:
        raise PackageNotFound
    free_sessions(package=package, status=StepStatus.UNBOOKED, now=now)
    package.place = _take_place(old_place, target, now)
    package.cohort = target
    package.name = StudentPackage.name_in(target)
    package.save(update_fields=["place", "cohort", "name"])
    publish(package_event(PackageMoved, package, now, from_cohort_id=old_place.cohort_id))
    end_accepted(place=package.place, now=now)
    if release_place(place=old_place, reason=f"Moved to {target.name}", now=now):
        offer_free_places(cohort_id=old_place.cohort_id, now=now)
    ask_for_sessions(package=package, left=book_only_options(package=package, now=now))
    _settle_stranded(package, stranded, excuse, actor, now)
    return package


def stranded_steps(*, package: StudentPackage, cohort: Cohort, now: dt.datetime) -> list[CourseStep]:
    """Return the required steps that the learner still has to attend and could not book in the other cohort; none for
    a completed course."""
    if package.completed_at is not None:
        return []
    gone = {step.pk for step in steps_without_session(cohort=cohort, now=now) if step.required}
    open_rows = StepProgress.objects.filter(package=package, step__in=gone, status__in=TO_ATTEND)
    return [row.step for row in open_rows.select_related("step").order_by("step__order", "pk")]


def _settle_stranded(
    package: StudentPackage, stranded: Stranded | None, excuse: str, actor: Actor, now: dt.datetime
) -> None:
    """Settle the steps that the move left unbooked."""
    rows = stranded_progress(now).filter(package=package, step__required=True).select_related("step")
    for row in rows.order_by("step__order", "pk"):
        if stranded == Stranded.EXCUSE:
            excuse_step(progress_id=row.pk, reason=excuse, actor=actor, now=now)
        else:
            raise_task(package=package, step=row.step)


def _take_place(old: CohortPlace, target: Cohort, now: dt.datetime) -> CohortPlace:
    """Take the place that the target's waiting list offers the learner, or else a free one."""
    held = CohortPlace.objects.held().filter(cohort=target, learner=old.learner_id)
    offered = held.select_related("learner").first()
    if offered is not None:
        return _take_offered(offered, old, now)
    return take_free_place(cohort=target, learner=old.learner, enrollment=old.enrollment, now=now)


def _take_offered(place: CohortPlace, old: CohortPlace, now: dt.datetime) -> CohortPlace:
    if place.checkout_id is not None:
        raise invalid_field("cohort", "being_paid", "Their checkout for this cohort is still open: wait for its end.")
    place.enrollment = old.enrollment
    place.save(update_fields=["enrollment"])
    publish(take_place(place=place, now=now))
    return place


def _sessions_touched(package: StudentPackage, cohort_id: int) -> set[int]:
    held = ClassSession.objects.filter(bookings__package=package).values_list("pk", flat=True)
    coming = CohortSession.objects.filter(cohort=cohort_id).values_list("class_session_id", flat=True)
    return {*held, *coming}
