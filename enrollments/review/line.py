"""The line before the reviewers' desk: who waits there, since when, and who comes next."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Max, Q, QuerySet

from ..models import Enrollment, EnrollmentTransition, Inquiry, SeatAssignment
from ..queries import awaiting_review, undecided, waiting_for_families
from ..states import FUNDED, HELD_SEATS, EligibilityStatus, Facet, InquiryStatus
from .held import held_reviews
from .presence import open_elsewhere

# What lets an enrollment come to the desk: it was submitted, or the payment for it arrived.
_ARRIVALS = Q(facet=Facet.ELIGIBILITY, to_status=EligibilityStatus.SUBMITTED) | Q(
    facet=Facet.PAYMENT, to_status__in=FUNDED
)


@dataclass(frozen=True, slots=True)
class Waiting:
    """One enrollment in the line."""

    enrollment: Enrollment
    since: dt.datetime
    district: str
    inquiry: Inquiry | None = None  # the last one to the family

    @property
    def mark(self) -> str:
        """What came of asking the family."""
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
    """Those of the enrollments that wait for a reviewer and have no answer yet, whoever enrolled first at the head; or
    those that wait for their families' answers. Narrowed down to a program, to a district's seats, and to learners or
    leads whose names begin so."""
    asked = waiting_for_families().values("enrollment")
    waiting = undecided(enrollments).filter(pk__in=asked) if is_for_families else awaiting_review(enrollments)
    rows = waiting.exclude(pk__in=held_reviews().values("enrollment")).order_by("pk")
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
    """Since when each of them waits, and whose seat is reserved, and what the family was asked; three queries."""
    ids = [enrollment.pk for enrollment in enrollments]
    arrivals = EnrollmentTransition.objects.filter(_ARRIVALS, enrollment__in=ids)
    since = dict(arrivals.values_list("enrollment").annotate(Max("created_at")).order_by("enrollment"))
    held = SeatAssignment.objects.filter(enrollment__in=ids, status__in=HELD_SEATS)
    districts = dict(held.values_list("enrollment", "allocation__district__name"))
    asked = {inquiry.enrollment_id: inquiry for inquiry in Inquiry.objects.filter(enrollment__in=ids).order_by("pk")}
    return [
        Waiting(each, since.get(each.pk, each.created_at), districts.get(each.pk, ""), asked.get(each.pk))
        for each in enrollments
    ]


def find_next(line: QuerySet[Enrollment], *, after: int, user_id: int, now: dt.datetime) -> int | None:
    """Who comes after an enrollment in the line, whether or not it still waits there, and from the head of the line
    after the last; those that nobody else has open before the others."""
    others = line.exclude(pk=after).values_list("pk", flat=True)
    taken = open_elsewhere(user_id=user_id, now=now).values("enrollment")
    for ids in (others.exclude(pk__in=taken), others):
        if found := ids.filter(pk__gt=after).first() or ids.first():
            return found
    return None


def find_previous(line: QuerySet[Enrollment], *, before: int) -> int | None:
    """Who comes before an enrollment in the line."""
    return line.filter(pk__lt=before).order_by("-pk").values_list("pk", flat=True).first()


def earlier_of(enrollment: Enrollment) -> QuerySet[Enrollment]:
    """What else its learner, or its lead, is or was enrolled in; the newest first."""
    if enrollment.learner_id is not None:
        others = Enrollment.objects.kept().filter(learner=enrollment.learner_id)
    else:
        others = Enrollment.objects.kept().filter(lead=enrollment.lead_id)
    return others.exclude(pk=enrollment.pk).select_related("instance").order_by("-pk")
