"""The mails about courses to the learner's family: what is booked, what is to be chosen, and what changed.

The reactions record a mail with its ids; it is written when it is sent, from the state at that time, and not at all if
nothing in it is true any longer. Billing writes about refunds and their reasons.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from accounts.models import Learner
from core import time_words
from core.clock import utc_now
from core.time_words import meeting, moment
from events.publishing import handles, handles_together
from notifications.letters import Attachment, Email, compose, register_email
from notifications.models import Notification
from notifications.recipients import belongs_to_family, family_addresses
from notifications.sending import notify

from .events import (
    CohortDatesChanged,
    MeetingPageChanged,
    PackageCompleted,
    PackageCreated,
    PackageMoved,
    SessionRescheduled,
    StepBooked,
    StepCancelled,
    WaitlistEnded,
    WaitlistOffered,
)
from .learning.calendar import render_cancellation, render_sessions
from .learning.reminders import REMINDER
from .models import ClassSession, CohortSession, StepProgress, StepProgressQuerySet, StudentPackage, WaitlistEntry
from .queries import course_programs, packages_under_way, stranded_progress
from .states import StepStatus, WaitStatus

ENROLLED = "course_enrolled"
MOVED = "course_moved"
BOOKED = "sessions_booked"
CANCELLED = "booking_cancelled"
RESCHEDULED = "session_rescheduled"
NEW_PAGE = "session_meeting_page"
NEW_DATES = "course_dates"
COMPLETED = "course_completed"
OFFER = "waitlist_offer"
LAPSED = "waitlist_lapsed"


# --- What happened: recorded in the transaction of the event ----------------------------------------------------------


@handles(PackageCreated)
def tell_of_enrollment(event: PackageCreated) -> None:
    _tell(ENROLLED, event.learner, f"package:{event.package_id}", now=event.occurred_at, package=event.package_id)


@handles(PackageMoved)
def tell_of_move(event: PackageMoved) -> None:
    package = StudentPackage.objects.select_related("learner").get(pk=event.package_id)
    key = f"package:{package.pk}/place:{package.place_id}"
    _tell(MOVED, package.learner, key, now=event.occurred_at, package=package.pk, place=package.place_id)


@handles_together(StepBooked)
def tell_of_booking(events: Sequence[StepBooked]) -> None:
    """Record one mail for everything booked at once, unless it came with a place, whose own mail covers it."""
    booked = events[0]
    if booked.with_place:
        return
    now = booked.occurred_at
    at = now.isoformat()
    key = f"package:{booked.package_id}/booked:{at}"
    _tell(BOOKED, booked.learner, key, now=now, package=booked.package_id, booked_at=at)


@handles(StepCancelled)
def tell_of_cancellation(event: StepCancelled) -> None:
    """Record a mail, unless the place in the cohort went too, which has a mail of its own."""
    if event.with_place:
        return
    row = _progress().get(package=event.package_id, step=event.step_id)
    key = f"progress:{row.pk}/session:{event.class_session_id}/change:{row.sequence}"
    _tell(
        CANCELLED, row.package.learner, key, now=event.occurred_at, progress=row.pk, session=event.class_session_id or 0
    )


@handles(SessionRescheduled)
def tell_of_new_time(event: SessionRescheduled) -> None:
    if event.with_term:
        return
    for row in _progress().filter(class_session=event.class_session_id, status=StepStatus.BOOKED).order_by("pk"):
        _tell_of_change(RESCHEDULED, row, event.occurred_at)


@handles(MeetingPageChanged)
def tell_of_new_page(event: MeetingPageChanged) -> None:
    coming = _progress().filter(
        class_session__group_class=event.group_class_id,
        class_session__ends_at__gt=event.occurred_at,
        status=StepStatus.BOOKED,
    )
    for row in coming.order_by("pk"):
        _tell_of_change(NEW_PAGE, row, event.occurred_at)


@handles(CohortDatesChanged)
def tell_of_new_dates(event: CohortDatesChanged) -> None:
    """Record one mail per family, with all the sessions that move; none where the course is done."""
    for package in packages_under_way(event.cohort_id).select_related("learner").order_by("pk"):
        key = f"package:{package.pk}/dates:{event.occurred_at.isoformat()}"
        _tell(NEW_DATES, package.learner, key, now=event.occurred_at, package=package.pk, cohort=event.cohort_id)


def _tell_of_change(kind: str, row: StepProgress, now: dt.datetime) -> None:
    """Record one mail for each change, as counted by the row: even if a session moves there, back, and there again."""
    key = f"progress:{row.pk}/change:{row.sequence}"
    _tell(kind, row.package.learner, key, now=now, progress=row.pk, session=row.seat.pk)


@handles(PackageCompleted)
def tell_of_completion(event: PackageCompleted) -> None:
    package = StudentPackage.objects.select_related("learner").get(pk=event.package_id)
    _tell(COMPLETED, package.learner, f"package:{package.pk}", now=event.occurred_at, package=package.pk)


@handles(WaitlistOffered)
def tell_of_offer(event: WaitlistOffered) -> None:
    entry = WaitlistEntry.objects.select_related("learner").get(pk=event.entry_id)
    _tell(OFFER, entry.learner, f"entry:{entry.pk}", now=event.occurred_at, entry=entry.pk)


@handles(WaitlistEnded)
def tell_of_lapse(event: WaitlistEnded) -> None:
    """Write to those whose waiting ended by itself. Whoever left, declined, or bought knows."""
    if event.status == WaitStatus.EXPIRED:
        entry = WaitlistEntry.objects.select_related("learner").get(pk=event.entry_id)
        _tell(LAPSED, entry.learner, f"entry:{entry.pk}", now=event.occurred_at, entry=entry.pk)


def _tell(kind: str, learner: Learner, subject_key: str, *, now: dt.datetime, **params: int | str) -> None:
    for address in family_addresses(learner):
        notify(
            workspace_id=learner.workspace_id,
            kind=kind,
            recipient=address,
            subject_key=subject_key,
            params=params,
            now=now,
        )


# --- What the mails say: written when they are sent -------------------------------------------------------------------


def write_enrolled(notification: Notification) -> Email | None:
    package = _find_live(notification)
    return _write_overview(package, "cohorts/enrolled") if package else None


def write_moved(notification: Notification) -> Email | None:
    """Return None if the learner has been moved again since."""
    package = _find_live(notification)
    if package is None or package.place_id != notification.params["place"]:
        return None
    return _write_overview(package, "cohorts/moved")


def write_booked(notification: Notification) -> Email | None:
    """Write about those of the sessions booked at that moment that are still booked."""
    package = _find_live(notification)
    if package is None:
        return None
    at = dt.datetime.fromisoformat(notification.params["booked_at"])
    rows = _booked_rows(package, at)
    if not rows:
        return None
    context = _about(package) | {"sessions": [_line(row) for row in rows]}
    return compose("cohorts/booked", context, attachments=(_calendar_of(rows),))


def write_cancelled(notification: Notification) -> Email | None:
    """Return None if another session was booked instead, which has a mail of its own, if the place in the cohort is
    gone too, which its own mail says, or if the step was removed from the course.
    """
    canceled = _progress().select_related("last_session__group_class")
    row = canceled.filter(pk=notification.params["progress"]).first()
    if row is None:
        return None
    session = ClassSession.objects.select_related("group_class").get(pk=notification.params["session"])
    in_cohort = CohortSession.objects.filter(cohort=row.package.cohort_id, class_session=session, step=row.step_id)
    if not row.package.is_live or row.status != StepStatus.UNBOOKED or not in_cohort.exists():
        return None
    if not belongs_to_family(notification.recipient, row.package.learner):
        return None
    can_choose = row.pk not in _stranded(row.package)
    context = _about(row.package) | {"step": _step(row), "time": _time(row, session), "can_choose": can_choose}
    is_latest = row.last_session_id == session.pk
    file = Attachment("sessions.ics", render_cancellation(row=row), "text/calendar; method=CANCEL")
    return compose("cohorts/cancelled", context, attachments=(file,) if is_latest else ())


def write_rescheduled(notification: Notification) -> Email | None:
    row = _find_booked(notification)
    if row is None:
        return None
    context = _about(row.package) | {"step": _step(row), "session": _line(row)}
    return compose("cohorts/rescheduled", context, attachments=(_calendar_of([row]),))


def write_new_page(notification: Notification) -> Email | None:
    row = _find_booked(notification)
    if row is None or row.class_session is None or row.class_session.ends_at <= utc_now():
        return None
    context = _about(row.package) | {
        "step": _step(row),
        "time": _time(row),
        "meeting_url": row.class_session.group_class.meeting_url,
    }
    return compose("cohorts/meeting_page", context, attachments=(_calendar_of([row]),))


def write_new_dates(notification: Notification) -> Email | None:
    """Return None if the learner has been moved to another cohort since."""
    package = _find_live(notification)
    if package is None or package.cohort_id != notification.params["cohort"]:
        return None
    first = package.cohort.start_date
    last = package.cohort.end_date
    dates = time_words.term(first, last)
    return _write_overview(package, "cohorts/new_dates", dates=dates)


def write_reminder(notification: Notification) -> Email | None:
    row = _find_booked(notification)
    if row is None or row.class_session is None or row.class_session.starts_at <= utc_now():
        return None
    context = _about(row.package) | {
        "step": _step(row),
        "time": _time(row),
        "meeting_url": row.class_session.group_class.meeting_url,
    }
    return compose("cohorts/reminder", context)


def write_completed(notification: Notification) -> Email | None:
    package = _find_live(notification)
    if package is None or package.completed_at is None:
        return None
    return compose("cohorts/completed", _about(package))


def write_offer(notification: Notification) -> Email | None:
    """Return None once the offer was answered, is being paid, or has expired."""
    entry = _find_entry(notification)
    until = entry.offer_expires_at
    if entry.status != WaitStatus.OFFERED or until is None or until <= utc_now():
        return None
    if entry.place and entry.place.checkout and entry.place.checkout.is_live:
        return None
    if not belongs_to_family(notification.recipient, entry.learner):
        return None
    context = _about_entry(entry) | {"price": entry.cohort.price_asked, "courses_path": reverse("my-enrollments")}
    return compose("cohorts/offer", context)


def write_lapse(notification: Notification) -> Email | None:
    """Return None if the learner has the course by now, or waits for the cohort again."""
    entry = _find_entry(notification)
    learner = entry.learner
    cohort = entry.cohort
    if StudentPackage.objects.live().filter(learner=learner, program=cohort.instance.program_id).exists():
        return None
    if WaitlistEntry.objects.in_line().filter(learner=learner, cohort=cohort).exists():
        return None
    if not belongs_to_family(notification.recipient, learner):
        return None
    has_page = course_programs().filter(pk=cohort.instance.program_id).exists()
    courses_path = reverse("course", args=[cohort.instance.program.code]) if has_page else None
    return compose("cohorts/lapsed", _about_entry(entry) | {"courses_path": courses_path})


# --- Pieces of them -------------------------------------------------------------------------------------------------


def _find_entry(notification: Notification) -> WaitlistEntry:
    entries = WaitlistEntry.objects.select_related(
        "learner__workspace", "cohort__instance__program", "cohort__instance__price", "place__checkout"
    )
    return entries.get(pk=notification.params["entry"])


def _about_entry(entry: WaitlistEntry) -> dict[str, Any]:
    """Return what mails about a line say; `deadline` is None if no place was offered."""
    until = entry.offer_expires_at
    return {
        "learner": entry.learner.first_name,
        "course": entry.cohort.instance.program.title,
        "cohort": entry.cohort.name,
        "deadline": moment(until, entry.cohort.timezone) if until is not None else None,
        "workspace": entry.learner.workspace.name,
    }


def _progress() -> StepProgressQuerySet:
    return StepProgress.objects.select_related(
        "step",
        "class_session__group_class",
        "package__learner__workspace",
        "package__program",
        "package__cohort",
        "package__place",
    )


def _find_live(notification: Notification) -> StudentPackage | None:
    packages = StudentPackage.objects.live().select_related("learner__workspace", "program", "cohort")
    package = packages.filter(pk=notification.params["package"]).first()
    is_theirs = package is not None and belongs_to_family(notification.recipient, package.learner)
    return package if is_theirs else None


def _find_booked(notification: Notification) -> StepProgress | None:
    """Return the step, if it still holds a seat in the session that the mail is about."""
    booked = _progress().of_live_packages().filter(class_session=notification.params["session"])
    row = booked.filter(pk=notification.params["progress"], status=StepStatus.BOOKED).first()
    is_theirs = row is not None and belongs_to_family(notification.recipient, row.package.learner)
    return row if is_theirs else None


def _booked_rows(package: StudentPackage, at: dt.datetime | None = None) -> list[StepProgress]:
    rows = _progress().filter(package=package, status=StepStatus.BOOKED).order_by("class_session__starts_at", "pk")
    return list(rows.filter(booked_at=at) if at else rows)


def _write_overview(package: StudentPackage, template: str, **more: object) -> Email:
    """Write about a whole course: what is booked, and what is still to be chosen."""
    booked = _booked_rows(package)
    unbooked = list(_progress().filter(package=package, status=StepStatus.UNBOOKED).order_by("step__order", "pk"))
    stranded = _stranded(package)
    context = _about(package) | {
        "sessions": [_line(row) for row in booked],
        "unbooked": [_step(row) for row in unbooked if row.pk not in stranded],
        "stranded": [_step(row) for row in unbooked if row.pk in stranded],
        **more,
    }
    return compose(template, context, attachments=(_calendar_of(booked),) if booked else ())


def _stranded(package: StudentPackage) -> set[int]:
    """Return the unbooked steps without any session to choose."""
    return set(stranded_progress(utc_now()).filter(package=package).values_list("pk", flat=True))


def _about(package: StudentPackage) -> dict[str, object]:
    return {
        "learner": package.learner.first_name,
        "course": package.program.title,
        "cohort": package.cohort.name,
        "courses_path": reverse("my-enrollment", args=[package.enrollment.cuid]),
        "book_path": reverse("course-book", args=[package.pk]),
        "workspace": package.learner.workspace.name,
    }


def _step(row: StepProgress) -> str:
    return f"{row.step.label}: {row.step.title}"


def _line(row: StepProgress) -> str:
    where = row.seat.group_class.meeting_url
    return f"{_step(row)}, {_time(row)}" + (", " + _("at %(address)s") % {"address": where} if where else "")


def _time(row: StepProgress, session: ClassSession | None = None) -> str:
    """Return the time of a step's session in its cohort's time zone, as on the pages."""
    about = session or row.seat
    return meeting(about.starts_at, about.ends_at, row.package.cohort.timezone)


def _calendar_of(rows: Iterable[StepProgress]) -> Attachment:
    return Attachment("sessions.ics", render_sessions(rows=rows), "text/calendar; method=PUBLISH")


for _kind, _write in {
    ENROLLED: write_enrolled,
    MOVED: write_moved,
    BOOKED: write_booked,
    CANCELLED: write_cancelled,
    RESCHEDULED: write_rescheduled,
    NEW_PAGE: write_new_page,
    NEW_DATES: write_new_dates,
    REMINDER: write_reminder,
    COMPLETED: write_completed,
    OFFER: write_offer,
    LAPSED: write_lapse,
}.items():
    register_email(_kind, _write)
