"""One case as reviewers see it: the person, the request, the arguments for and against, and what each answer brings."""

import datetime as dt
from dataclasses import dataclass

from django.db.models import Q
from django.http import HttpRequest
from django.utils.safestring import SafeString

from accounts.models import Guardian, StaffTask
from accounts.states import TaskStatus
from accounts.task_kinds import TWINS
from backoffice.actions import NoteForm
from backoffice.display import Card, Neighbor, link, link_subject, neighbor, staff_moment
from backoffice.subjects import find_subjects
from core.time_words import day

from ...latest import tell_duration
from ...models import Enrollment, SeatAssignment
from ...review.inquiries import ANSWER_WITHIN, whom_to_ask
from ...review.line import earlier_of, tell_waiting
from ...states import HELD_SEATS, UNPAID, EnrollmentPaymentStatus
from ..applications import answers_of_enrollment
from ..enrollment_cards import funding_of_enrollment, history_of_enrollment
from ..previews import (
    consequences_of_approval,
    consequences_of_rejection,
    readers_of_approval,
    readers_of_rejection,
)
from ..verdicts import verdict_on_enrollment
from .forms import AskForm, RejectForm
from .inquiries import inquiries_of_enrollment

OTHERS_SHOWN = 10

Fact = tuple[str, SafeString | str]


@dataclass(frozen=True, slots=True)
class Case:
    """An enrollment that waits for a reviewer, with everything needed to decide it."""

    enrollment: Enrollment
    person: SafeString | str
    page: SafeString | str
    about: list[Fact]
    asked: list[Fact]
    cards: list[Card]
    approval: str
    rejection: str
    asking: str
    approve: NoteForm
    reject: RejectForm
    ask: AskForm


def build_case(
    request: HttpRequest,
    enrollment: Enrollment,
    *,
    approve: NoteForm,
    reject: RejectForm,
    ask: AskForm,
    now: dt.datetime,
) -> Case:
    """Build the case of an enrollment that was fetched with its learner, lead, instance, program, and workspace."""
    held = SeatAssignment.objects.filter(enrollment=enrollment, status__in=HELD_SEATS)
    seat = held.select_related("allocation__district").first()
    approval = consequences_of_approval(enrollment, has_seat=seat is not None)
    rejection = consequences_of_rejection(enrollment, held=[seat] if seat else [])
    return Case(
        enrollment=enrollment,
        person=link(enrollment.person),
        page=link(enrollment, "Open its page"),
        about=_about(enrollment, seat),
        asked=_asked(enrollment, seat, now),
        cards=[
            verdict_on_enrollment(request, enrollment),
            *(card for card in (answers_of_enrollment(request, enrollment),) if card.rows),
            *(card for card in (inquiries_of_enrollment(request, enrollment),) if card.rows),
            *_twins(enrollment),
            _earlier(enrollment),
            funding_of_enrollment(request, enrollment),
            history_of_enrollment(request, enrollment),
        ],
        approval=_in_one_line(approval, readers_of_approval(enrollment)),
        rejection=_in_one_line(rejection, readers_of_rejection(enrollment)),
        asking=_asking(enrollment, now),
        approve=approve,
        ask=ask,
        reject=reject,
    )


def _in_one_line(sentences: tuple[str, ...], readers: tuple[str, ...]) -> str:
    mails = f"Mails {', '.join(readers)}." if readers else "The family gets no mail."
    return " ".join((*sentences, mails))


def _asking(enrollment: Enrollment, now: dt.datetime) -> str:
    """Say what asking the family brings; empty if nobody can be asked."""
    readers = whom_to_ask(enrollment)
    if not readers:
        return ""
    until = staff_moment(now + ANSWER_WITHIN, enrollment.workspace.timezone)
    return f"Mails {', '.join(readers)} a link to answer by. The case waits for the family until {until}."


def _about(enrollment: Enrollment, seat: SeatAssignment | None) -> list[Fact]:
    person = enrollment.person
    learner = enrollment.learner
    told: list[Fact] = [
        ("Grade", learner.grade_level if learner else ""),
        ("School", learner.school if learner else ""),
        ("District", link(seat.allocation.district) if seat else ""),
        ("Email", person.email),
        ("Phone", enrollment.phone or person.phone),
    ]
    guardians = Guardian.objects.filter(guardianships__learner=learner).order_by("pk") if learner else []
    for guardian in guardians:  # a guardian without a name goes by the address shown beside it
        label = "Guardian" if str(guardian) == guardian.email else f"Guardian {guardian}"
        told.append((label, guardian.email or "no address"))
    return [(label, value) for label, value in told if value]


def _asked(enrollment: Enrollment, seat: SeatAssignment | None, now: dt.datetime) -> list[Fact]:
    instance = enrollment.instance
    (waiting,) = tell_waiting([enrollment])
    dates = [day(date) for date in (instance.start_date, instance.end_date) if date]
    told: list[Fact] = [
        ("Program", link(instance.program)),
        ("Instance", link(instance)),
        ("Dates", " to ".join(dates)),
        ("Waiting since", staff_moment(waiting.since, enrollment.workspace.timezone)),
        ("Waiting for", tell_duration(now - waiting.since) or "less than a minute"),
        ("Funding", _funding(enrollment, seat)),
    ]
    return [(label, value) for label, value in told if value]


def _funding(enrollment: Enrollment, seat: SeatAssignment | None) -> str:
    if seat is not None:
        return f"Seat of {seat.allocation.district}"
    if enrollment.payment_status in UNPAID:
        return "Not paid yet"
    if enrollment.payment_status == EnrollmentPaymentStatus.NOT_REQUIRED:
        return "Nothing to pay"
    return str(enrollment.get_payment_status_display())


def _twins(enrollment: Enrollment) -> list[Card]:
    """Return a card with the learners who may be the same person; no card if there are none."""
    if enrollment.learner_id is None:
        return []
    number = enrollment.learner_id
    about = Q(subject__startswith=f"learner:{number}/") | Q(subject__endswith=f"/learner:{number}")
    asked = StaffTask.objects.filter(about, workspace=enrollment.workspace_id, kind=TWINS.name, status=TaskStatus.OPEN)
    tasks = list(asked.order_by("pk")[:OTHERS_SHOWN])
    learners = find_subjects(task.subject for task in tasks)
    rows = [
        neighbor(task, title="May be one person", note=link_subject(task.subject, learners), at=task.created_at)
        for task in tasks
    ]
    return [Card("Possible twins", rows)] if rows else []


def _earlier(enrollment: Enrollment) -> Card:
    rows: list[Neighbor] = [
        neighbor(each, title=each.instance, status="eligibility_status", at=each.created_at)
        for each in earlier_of(enrollment)[:OTHERS_SHOWN]
    ]
    return Card("Other enrollments", rows)
