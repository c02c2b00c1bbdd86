"""A reviewer asks the family something before deciding: the mail, the answer, the reminder, and the deadline.

While a question is open and before its deadline, the case waits for the family and not for a reviewer. The answer, or
the deadline, puts it back in line.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from zoneinfo import ZoneInfo

import structlog
from django.db import transaction
from django.db.models import QuerySet

from accounts.staff_tasks import raise_staff_task, settle_staff_tasks
from core.actors import Actor
from core.errors import invalid_field
from notifications.letters import Email, register_email
from notifications.models import Notification
from notifications.sending import notify
from notifications.wording import is_switched_off

from ..emails import addresses_about, hears_from_us, may_read
from ..errors import AlreadyAsked, InquiryOver, NobodyToAsk, ReviewHeld
from ..letters import QUESTION, QUESTION_AGAIN, write_question
from ..lifecycle import check_open
from ..locks import lock_enrollment
from ..models import Enrollment, Inquiry
from ..states import EligibilityStatus, InquiryStatus
from ..task_kinds import NO_ANSWER
from .held import held_reviews, tell_held
from .links import answer_url

log = structlog.get_logger(__name__)

ANSWER_WITHIN = dt.timedelta(days=7)
REMIND_BEFORE = dt.timedelta(days=2)
QUESTION_LENGTH = 1_000
ANSWER_LENGTH = 2_000


@transaction.atomic
def ask_family(*, enrollment_id: int, question: str, actor: Actor, now: dt.datetime) -> Inquiry:
    """Mail the family a question, with a link to a page where they answer; the case waits for them for a week.

    A question that nobody answered in time is overtaken by the new one. Raises Invalid for a question that is empty or
    too long, AlreadyAsked while the family has time to answer another one, NobodyToAsk if we don't write to the family
    or know no address, ReviewHeld while an answer is held, StatusMoved if it was decided, NotFound.
    """
    question = _require("question", question, QUESTION_LENGTH)
    enrollment = lock_enrollment(enrollment_id)
    check_open(enrollment, EligibilityStatus.SUBMITTED, now)
    held = held_reviews().filter(enrollment=enrollment).first()
    if held is not None:
        raise ReviewHeld(tell_held(held))
    asked = open_inquiries().filter(enrollment=enrollment)
    if asked.filter(reported_at=None).exists():
        raise AlreadyAsked("Wait for the answer, or decide without it.")
    readers = whom_to_ask(enrollment)
    if not readers:
        raise NobodyToAsk("No address of the family is known, or an integrator writes to it. Ask in another way.")
    if asked.update(status=InquiryStatus.OVERTAKEN, settled_at=now):
        _settle([enrollment.pk], "The family was asked again.", now)
    inquiry = Inquiry.objects.create(
        enrollment=enrollment, question=question, asked_by=str(actor), asked_at=now, due_at=now + ANSWER_WITHIN
    )
    _mail(inquiry, QUESTION, readers, now)
    return inquiry


@transaction.atomic
def answer_inquiry(*, inquiry_id: int, answer: str, now: dt.datetime) -> Inquiry:
    """Store the family's answer; the same answer again changes nothing. Raises Invalid for one that is empty or too
    long, and InquiryOver if there is another answer, or the enrollment was decided in the meantime.
    """
    answer = _require("answer", answer, ANSWER_LENGTH)
    inquiry = Inquiry.objects.get(pk=inquiry_id)
    enrollment = lock_enrollment(inquiry.enrollment_id)
    is_open = enrollment.eligibility_status == EligibilityStatus.SUBMITTED and enrollment.deleted_at is None
    open_one = open_inquiries().filter(pk=inquiry_id)
    if not is_open or not open_one.update(status=InquiryStatus.ANSWERED, answer=answer, settled_at=now):
        inquiry = Inquiry.objects.get(pk=inquiry_id)
        if inquiry.status == InquiryStatus.ANSWERED and inquiry.answer == answer:
            return inquiry
        raise InquiryOver
    _settle([enrollment.pk], "The family has answered.", now)
    log.info("inquiry_answered", inquiry=inquiry_id)
    return Inquiry.objects.get(pk=inquiry_id)


def follow_inquiries(*, limit: int = 100, now: dt.datetime) -> int:
    """Sweep: remind families two days before the deadline, notify staff once it has passed, and close questions about
    enrollments that were decided in the meantime; returns how many questions it handled.
    """
    undecided = open_inquiries().filter(
        enrollment__eligibility_status=EligibilityStatus.SUBMITTED, enrollment__deleted_at=None
    )
    decided = dict(open_inquiries().exclude(pk__in=undecided.values("pk")).values_list("pk", "enrollment")[:limit])
    _overtake(decided, now)
    near = undecided.filter(reminded_at=None, due_at__lte=now + REMIND_BEFORE, due_at__gt=now).order_by("due_at", "pk")
    late = undecided.filter(reported_at=None, due_at__lte=now).order_by("due_at", "pk")
    found = [(inquiry, _remind) for inquiry in near.select_related(*_PEOPLE)[:limit]]
    found += [(inquiry, _report) for inquiry in late.select_related(*_PEOPLE)[:limit]]
    for inquiry, act in found:
        act(inquiry, now)
    return len(decided) + len(found)


def open_inquiries() -> QuerySet[Inquiry]:
    """Return the questions that families can answer."""
    return Inquiry.objects.filter(status=InquiryStatus.OPEN)


def whom_to_ask(enrollment: Enrollment) -> tuple[str, ...]:
    """Return the addresses that a question goes to; none if another organization writes to the family."""
    is_off = is_switched_off(kind=QUESTION, workspace_id=enrollment.workspace_id)
    return tuple(addresses_about(enrollment)) if hears_from_us(enrollment) and not is_off else ()


_PEOPLE = ("enrollment__learner", "enrollment__lead", "enrollment__workspace")


@transaction.atomic
def _remind(inquiry: Inquiry, now: dt.datetime) -> None:
    if open_inquiries().filter(pk=inquiry.pk, reminded_at=None).update(reminded_at=now):
        _mail(inquiry, QUESTION_AGAIN, whom_to_ask(inquiry.enrollment), now)


@transaction.atomic
def _report(inquiry: Inquiry, now: dt.datetime) -> None:
    if open_inquiries().filter(pk=inquiry.pk, reported_at=None).update(reported_at=now):
        raise_staff_task(
            workspace_id=inquiry.enrollment.workspace_id,
            kind=NO_ANSWER,
            subject=_subject(inquiry.enrollment_id),
            summary="The family was asked something and did not answer in time.",
        )


@transaction.atomic
def _overtake(decided: Mapping[int, int], now: dt.datetime) -> None:
    """Close questions, with the tasks about them; `decided` has the enrollment of each."""
    open_inquiries().filter(pk__in=decided).update(status=InquiryStatus.OVERTAKEN, settled_at=now)
    _settle(decided.values(), "The enrollment was decided, or deleted.", now)


def _settle(enrollment_ids: Iterable[int], resolution: str, now: dt.datetime) -> None:
    subjects = [_subject(pk) for pk in enrollment_ids]
    settle_staff_tasks(kind=NO_ANSWER, subjects=subjects, resolution=resolution, now=now)


def _subject(enrollment_id: int) -> str:
    return f"enrollment:{enrollment_id}"


def _mail(inquiry: Inquiry, kind: str, readers: tuple[str, ...], now: dt.datetime) -> None:
    for address in readers:
        notify(
            workspace_id=inquiry.enrollment.workspace_id,
            kind=kind,
            recipient=address,
            subject_key=f"inquiry:{inquiry.pk}",
            params={"inquiry": inquiry.pk},
            now=now,
        )


def render_question(notification: Notification) -> Email | None:
    """Return None once it was answered, or the enrollment decided."""
    inquiries = open_inquiries().select_related(
        "enrollment__learner", "enrollment__lead", "enrollment__instance__program", "enrollment__workspace"
    )
    inquiry = inquiries.filter(pk=notification.params["inquiry"]).first()
    if inquiry is None or inquiry.enrollment.eligibility_status != EligibilityStatus.SUBMITTED:
        return None
    if not may_read(inquiry.enrollment, notification):
        return None
    return write_question(
        inquiry.enrollment,
        question=inquiry.question,
        until=inquiry.due_at.astimezone(ZoneInfo(inquiry.enrollment.workspace.timezone)).date(),
        link=answer_url(inquiry.pk),
        is_again=notification.kind == QUESTION_AGAIN,
    )


register_email(QUESTION, render_question)
register_email(QUESTION_AGAIN, render_question)


def _require(field: str, text: str, longest: int) -> str:
    text = text.strip()
    if not text:
        raise invalid_field(field, "required", "Write something.")
    if len(text) > longest:
        raise invalid_field(field, "too_long", f"Write at most {longest} characters.")
    return text
