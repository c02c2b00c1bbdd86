"""What a cohort lacks before it can be put on sale: everything that would trip up a family after paying."""

import datetime as dt
from dataclasses import dataclass

from django.db import models

from core.local_time import local_date

from ..learning.completion import tell_early_end
from ..models import Cohort, CohortSession, CourseStep


@dataclass(frozen=True, slots=True)
class Gap:
    """One thing that is missing: a stable code, what to do about it, and the row on whose page to do it."""

    code: str
    text: str
    row: models.Model


def find_gaps(*, cohort: Cohort, now: dt.datetime) -> list[Gap]:
    """Return what prevents the cohort from being opened, in the best order to fix it; empty if nothing does."""
    sessions = list(cohort.sessions.select_related("step", "class_session__group_class").order_by("step__order", "pk"))
    steps = list(cohort.instance.program.steps.order_by("order"))
    return [
        *_gaps_of_course(cohort),
        *_gaps_of_price(cohort),
        *_gaps_of_steps(cohort, steps, sessions),
        *_gaps_of_term(cohort, sessions, now),
    ]


def _gaps_of_course(cohort: Cohort) -> list[Gap]:
    instance = cohort.instance
    program = cohort.instance.program
    gaps = []
    if not program.active:
        gaps.append(Gap("course_inactive", f"Switch {program} on.", program))
    if not program.listed:
        gaps.append(Gap("course_unlisted", f"List {program} in the catalog, where families find it.", program))
    if not instance.active:
        gaps.append(Gap("instance_inactive", f"Switch {instance} on.", instance))
    return gaps


def _gaps_of_price(cohort: Cohort) -> list[Gap]:
    instance = cohort.instance
    if instance.price is None:
        return [Gap("price_missing", f"Give {instance} a price.", instance)]
    if not instance.price.active:
        return [Gap("price_inactive", f"The price {instance.price} is switched off: choose another.", instance)]
    return []


def _gaps_of_steps(cohort: Cohort, steps: list[CourseStep], sessions: list[CohortSession]) -> list[Gap]:
    if not any(step.required for step in steps):
        return [Gap("steps_missing", "Give the course a step that is required.", cohort.instance.program)]
    seats: dict[int, int] = {}
    for session in sessions:
        seats[session.step_id] = seats.get(session.step_id, 0) + session.class_session.max_students
    gaps = []
    for step in steps:
        if step.required and step.pk not in seats:
            has_class = step.options.exists()
            what = "Schedule sessions" if has_class else "Choose a class, then schedule sessions"
            gaps.append(Gap("sessions_missing", f"{what} for {step}.", cohort if has_class else step))
        elif step.required and not seats[step.pk]:
            first = next(session for session in sessions if session.step_id == step.pk)
            gaps.append(Gap("seats_missing", f"The sessions of {step} have no seats.", first.class_session))
    return gaps


def _gaps_of_term(cohort: Cohort, sessions: list[CohortSession], now: dt.datetime) -> list[Gap]:
    gaps = []
    if cohort.max_enrollment < 1:
        gaps.append(Gap("places_missing", "Give the cohort places.", cohort))
    if sessions and not any(session.class_session.starts_at > now for session in sessions):
        gaps.append(Gap("sessions_over", "Every session has begun: there is nothing left to attend.", cohort))
    outside = [row for row in sessions if not cohort.start_date <= row.class_session.date <= cohort.end_date]
    if outside:
        text = f"{outside[0].class_session} lies outside the cohort's dates: move it, or change the dates."
        gaps.append(Gap("sessions_outside", text, outside[0].class_session))
    instance = cohort.instance
    early = tell_early_end(instance=instance, ends_on=instance.end_date, last_day=cohort.end_date)
    gaps.extend(Gap("instance_ends_early", text, instance) for text in early)
    zones = {session.class_session.group_class.timezone for session in sessions}
    if cohort.timezone == "UTC" and zones and "UTC" not in zones:
        gaps.append(Gap("zone_missing", f"Choose the time zone; its classes meet by {min(zones)}.", cohort))
    deadline = cohort.enrollment_deadline
    if deadline is None:
        gaps.append(Gap("deadline_missing", "Set the enrollment deadline.", cohort))
    elif cohort.is_past_deadline(now):
        gaps.append(Gap("deadline_passed", "The enrollment deadline has passed: set a later one.", cohort))
    elif local_date(deadline, cohort.timezone) > cohort.end_date:
        gaps.append(Gap("deadline_late", "The enrollment deadline is after the cohort's last day.", cohort))
    return gaps
