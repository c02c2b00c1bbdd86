"""The cards on a cohort's page: what is missing, its sessions, its places, and its waiting list."""

from collections.abc import Container

from django.db.models import Prefetch
from django.http import HttpRequest
from django.urls import reverse

from backoffice.display import Card, Neighbor, admin_url, list_url, neighbor, neighbors_of
from core.clock import utc_now
from core.time_words import day
from enrollments.models import ProgramInstance

from ..models import Cohort, CohortPlace, StepProgress, StudentPackage, WaitlistEntry
from ..queries import offered_by_step
from ..sale.readiness import find_gaps
from ..states import DONE, PlaceStatus, StepStatus
from .display import meeting_time, place_bar, seat_bar


@neighbors_of(Cohort)
def gaps_of_cohort(request: HttpRequest, cohort: Cohort) -> Card:
    """Return the card of what is missing before the cohort can be opened, with links to where staff fix it."""
    program = cohort.instance.program
    page = reverse("course", args=[program.code]) if program.listed else ""
    as_family = [Neighbor(title="See the course as a family does", url=page)] if page else []
    if cohort.is_active:
        return Card("On sale", as_family, empty="It is open. Close it to stop taking enrollments.")
    rows = [Neighbor(title=gap.text, url=admin_url(gap.row)) for gap in find_gaps(cohort=cohort, now=utc_now())]
    return Card("Before it can be opened", rows, empty="Nothing is missing: it can be opened.", wide=True)


@neighbors_of(Cohort)
def sessions_of_cohort(request: HttpRequest, cohort: Cohort) -> Card:
    """Return the card of each step with its classes: when they meet and how full they are."""
    rows = []
    sessions = cohort.sessions.select_related("step", "class_session__group_class")
    for session in sessions.order_by("step__order", "class_session__starts_at", "pk"):
        meeting = session.class_session
        rows.append(
            Neighbor(
                title=f"{session.step.label}: {meeting.group_class}, {meeting_time(meeting)}",
                url=admin_url(meeting),
                note=seat_bar(meeting),
            )
        )
    return Card("Sessions", rows, empty="Not scheduled.", wide=True)


@neighbors_of(Cohort)
def places_in_cohort(request: HttpRequest, cohort: Cohort) -> Card:
    """Return the card of the learners with a place, and their progress."""
    places = (
        cohort.places.occupying()
        .select_related("learner")
        .prefetch_related(
            Prefetch("packages", StudentPackage.objects.order_by("-purchased_at", "-id")),
            Prefetch("packages__progress", StepProgress.objects.order_by("step__order", "id")),
        )
    )
    bookable = offered_by_step(cohort_id=cohort.pk, now=utc_now())
    rows = [_place(place, bookable) for place in places.order_by("status", "learner__last_name", "pk")[:100]]
    more = list_url(CohortPlace, cohort__id__exact=cohort.pk)
    return Card("Who has a place", rows, empty="Nobody yet.", more_url=more)


def _place(place: CohortPlace, bookable: Container[int]) -> Neighbor:
    if place.status == PlaceStatus.HELD:
        return neighbor(place, title=place.learner, status="status", note="until", at=place.held_until)
    package = next((package for package in place.packages.all() if package.is_live), None)
    return neighbor(package or place, title=place.learner, note=_progress(package, bookable) if package else "")


def _progress(package: StudentPackage, bookable: Container[int]) -> str:
    """Return, for example, "2 of 5 done, 1 to book, 1 without a session"."""
    rows = package.progress.all()
    parts = [f"{sum(row.status in DONE for row in rows)} of {len(rows)} done"]
    unbooked = [row for row in rows if row.status == StepStatus.UNBOOKED]
    to_book = sum(row.step_id in bookable for row in unbooked)
    missed = sum(row.status == StepStatus.MISSED for row in rows)
    for count, word in ((missed, "missed"), (to_book, "to book"), (len(unbooked) - to_book, "without a session")):
        if count:
            parts.append(f"{count} {word}")
    return ", ".join(parts)


@neighbors_of(Cohort)
def line_for_cohort(request: HttpRequest, cohort: Cohort) -> Card:
    entries = cohort.waitlist.in_line().select_related("learner").order_by("rank", "pk")[:50]
    rows = [
        neighbor(entry, title=entry.learner, status="status", note=entry.note, at=entry.offer_expires_at)
        for entry in entries
    ]
    more = list_url(WaitlistEntry, cohort__id__exact=cohort.pk)
    return Card("Waiting list", rows, empty="Nobody waits.", more_url=more)


@neighbors_of(ProgramInstance)
def cohorts_of_instance(request: HttpRequest, instance: ProgramInstance) -> Card:
    rows = [
        neighbor(cohort, title=f"{cohort}, {day(cohort.start_date)}", note=place_bar(cohort))
        for cohort in instance.cohorts.order_by("start_date", "id")[:20]
    ]
    return Card("Cohorts", rows, empty="None: it is not sold by cohort.")
