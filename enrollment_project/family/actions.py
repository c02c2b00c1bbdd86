"""What a family has to do: each thing once, anything with a due date first."""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from django.urls import reverse

from accounts.models import Learner, User
from cohorts.models import WaitlistEntry
from cohorts.states import WaitStatus
from core.actors import Actor
from enrollments.application.receive import list_unconfirmed
from enrollments.family.standing import FamilyView
from enrollments.leaving import list_open_quotes
from enrollments.models import Application, CancellationQuote
from enrollments.review.inquiries import open_inquiries
from enrollments.review.links import answer_url
from enrollments.states import EligibilityStatus

from .belongings import Belonging


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that a family can do now: the link, the due time, and what the page needs to describe it."""

    kind: str  # pay | offer | question | quote | book | confirm
    program: str
    zone: ZoneInfo  # the clock for its due time, for readers whose own time zone is unknown
    url: str = ""
    learner: Learner | None = None
    due_at: dt.datetime | None = None
    view: FamilyView | None = None
    entry: WaitlistEntry | None = None
    count: int = 0


def find_actions(
    *, user: User, belongings: Sequence[Belonging], entries: Sequence[WaitlistEntry], now: dt.datetime
) -> list[Action]:
    """Return what the person can do now, in a constant number of queries."""
    return _by_time(
        [
            *actions_of(belongings),
            *(_offer(entry) for entry in entries if entry.status == WaitStatus.OFFERED),
            *(_quote(quote) for quote in list_open_quotes(actor=Actor("user", user.pk))),
            *(_confirmation(application) for application in list_unconfirmed(address=user.email, now=now)),
        ]
    )


def actions_of(belongings: Sequence[Belonging]) -> list[Action]:
    """Return what can be done about these enrollments."""
    return _by_time([*_payments(belongings), *_questions(belongings), *_bookings(belongings)])


def _by_time(actions: list[Action]) -> list[Action]:
    latest = dt.datetime.max.replace(tzinfo=dt.UTC)
    return sorted(actions, key=lambda action: action.due_at or latest)


def _payments(belongings: Sequence[Belonging]) -> Iterator[Action]:
    for each in belongings:
        view = each.view
        if view.checkout and view.pay_url:
            yield Action(
                "pay",
                view.enrollment.instance.program.title,
                each.zone,
                url=view.pay_url,
                learner=view.enrollment.learner,
                due_at=view.checkout.expires_at,
                view=view,
            )


def _offer(entry: WaitlistEntry) -> Action:
    return Action(
        "offer",
        entry.cohort.instance.program.title,
        ZoneInfo(entry.cohort.timezone),
        learner=entry.learner,
        due_at=entry.offer_expires_at,
        entry=entry,
    )


def _questions(belongings: Sequence[Belonging]) -> Iterator[Action]:
    waiting = {
        each.enrollment.pk: each.enrollment
        for each in belongings
        if each.enrollment.eligibility_status == EligibilityStatus.SUBMITTED
    }
    for inquiry in open_inquiries().filter(enrollment__in=waiting):
        enrollment = waiting[inquiry.enrollment_id]
        yield Action(
            "question",
            enrollment.instance.program.title,
            ZoneInfo(enrollment.workspace.timezone),
            url=answer_url(inquiry.pk),
            learner=enrollment.learner,
            due_at=inquiry.due_at,
        )


def _bookings(belongings: Sequence[Belonging]) -> Iterator[Action]:
    for each in belongings:
        if each.course is not None and each.course.unbooked and not each.course.is_complete:
            yield Action(
                "book",
                each.course.package.program.title,
                each.zone,
                url=reverse("course-book", args=[each.course.package.pk]),
                learner=each.enrollment.learner,
                count=each.course.unbooked,
            )


def _quote(quote: CancellationQuote) -> Action:
    programs = [each.enrollment.instance.program.title for each in quote.exits.all()]
    return Action(
        "quote",
        ", ".join(dict.fromkeys(programs)),
        ZoneInfo(quote.workspace.timezone),
        url=reverse("leaving", args=[quote.cuid]),
        due_at=quote.expires_at,
    )


def _confirmation(application: Application) -> Action:
    return Action(
        "confirm",
        application.instance.program.title,
        ZoneInfo(application.workspace.timezone),
        url=reverse("application-confirm", args=[application.cuid]),
        due_at=application.expires_at,
    )
