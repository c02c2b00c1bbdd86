"""The line at the reviewers' desk: who waits there, since when, and who comes next."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Q, QuerySet

from ..models import Enrollment, Inquiry, SeatAssignment
from ..queries import awaiting_review, undecided, waiting_for_families
from ..states import HELD_SEATS, InquiryStatus
from .held import held_reviews
from .presence import open_elsewhere

# The order of the line: cases are grouped by workspace, those that have waited longest first.
LINE = ("workspace_id", "waiting_since", "pk")


@dataclass(frozen=True, slots=True)
class Waiting:
    """One enrollment in the line."""

    enrollment: Enrollment
    district: str
    inquiry: Inquiry | None = None  # the latest question to the family

    @property
    def since(self) -> dt.datetime:
        return self.enrollment.waiting_since

    @property
    def mark(self) -> str:
        """Return the state of the question to the family."""
        if self.inquiry is None or self.inquiry.status == InquiryStatus.OVERTAKEN:
            return ""
        if self.inquiry.status == InquiryStatus.ANSWERED:
            return "The family has answered"
        return "No answer in time" if self.inquiry.reported_at else "The family is asked"


def in_line(
    enrollments: QuerySet[Enrollment],
    *,
    program_id: int | None = None,
    district_id: int | None = None,
    name: str = "",
    is_for_families: bool = False,
) -> QuerySet[Enrollment]:
    """Return the enrollments that wait for a reviewer and have no answer yet, the longest waiting first, or those that
    wait for their families' answers. Optional filters: a program, a district's seats, and learners or leads whose names
    begin with a text.
    """
    asked = waiting_for_families().values("enrollment")
    waiting = undecided(enrollments).filter(pk__in=asked) if is_for_families else awaiting_review(enrollments)
    rows = waiting.exclude(pk__in=held_reviews().values("enrollment")).order_by(*LINE)
    if program_id is not None:
        rows = rows.filter(instance__program=program_id)
    if district_id is not None:
        held = SeatAssignment.objects.filter(status__in=HELD_SEATS, allocation__district=district_id)
        rows = rows.filter(pk__in=held.values("enrollment"))
    for word in name.split()[:4]:
        rows = rows.filter(
            Q(learner__first_name__istartswith=word)
            | Q(learner__last_name__istartswith=word)
            | Q(lead__first_name__istartswith=word)
            | Q(lead__last_name__istartswith=word)
        )
    return rows


def tell_waiting(enrollments: Sequence[Enrollment]) -> list[Waiting]:
    """Return each enrollment with whose seat is reserved for it and what the family was asked; two queries."""
    ids = [enrollment.pk for enrollment in enrollments]
    held = SeatAssignment.objects.filter(enrollment__in=ids, status__in=HELD_SEATS)
    districts = dict(held.values_list("enrollment", "allocation__district__name"))
    asked = {inquiry.enrollment_id: inquiry for inquiry in Inquiry.objects.filter(enrollment__in=ids).order_by("pk")}
    return [Waiting(each, districts.get(each.pk, ""), asked.get(each.pk)) for each in enrollments]


def ahead_of(line: QuerySet[Enrollment], enrollment: Enrollment) -> QuerySet[Enrollment]:
    """Return the part of the line ahead of an enrollment, whether or not it still waits there."""
    return line.filter(_beside(enrollment, "lt"))


def find_next(line: QuerySet[Enrollment], *, after: Enrollment, user_id: int, now: dt.datetime) -> int | None:
    """Return the next enrollment in the line, whether or not the given one still waits there, wrapping around after the
    last; cases that nobody else has open come first.
    """
    others = line.exclude(pk=after.pk).values_list("pk", flat=True)
    taken = open_elsewhere(user_id=user_id, now=now).values("enrollment")
    for ids in (others.exclude(pk__in=taken), others):
        if found := ids.filter(_beside(after, "gt")).first() or ids.first():
            return found
    return None


def find_previous(line: QuerySet[Enrollment], *, before: Enrollment) -> int | None:
    """Return the previous enrollment in the line."""
    return ahead_of(line, before).reverse().values_list("pk", flat=True).first()


def _beside(enrollment: Enrollment, side: str) -> Q:
    """Return the condition of being before ("lt") or behind ("gt") it, in the order of the line."""
    workspace = Q(workspace=enrollment.workspace_id)
    since = Q(waiting_since=enrollment.waiting_since)
    return (
        Q((f"workspace_id__{side}", enrollment.workspace_id))
        | workspace & Q((f"waiting_since__{side}", enrollment.waiting_since))
        | workspace & since & Q((f"pk__{side}", enrollment.pk))
    )


def earlier_of(enrollment: Enrollment) -> QuerySet[Enrollment]:
    """Return what else its learner, or its lead, is or was enrolled in; the newest first."""
    if enrollment.learner_id is not None:
        others = Enrollment.objects.kept().filter(learner=enrollment.learner_id)
    else:
        others = Enrollment.objects.kept().filter(lead=enrollment.lead_id)
    return others.exclude(pk=enrollment.pk).select_related("instance").order_by("-pk")
