"""The line before the reviewers' desk: who waits there, since when, and who comes next."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Max, Q, QuerySet

from ..models import Enrollment, EnrollmentTransition, SeatAssignment
from ..queries import awaiting_review
from ..states import FUNDED, HELD_SEATS, EligibilityStatus, Facet

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


def in_line(
    enrollments: QuerySet[Enrollment], *, program_id: int | None, district_id: int | None, name: str
) -> QuerySet[Enrollment]:
    """Those of the enrollments that wait for a reviewer, whoever enrolled first at the head; narrowed down to a
    program, to a district's seats, and to learners or leads whose names begin so."""
    rows = awaiting_review(enrollments).order_by("pk")
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
    """Since when each of them waits, and whose seat is reserved; two queries."""
    ids = [enrollment.pk for enrollment in enrollments]
    arrivals = EnrollmentTransition.objects.filter(_ARRIVALS, enrollment__in=ids)
    since = dict(arrivals.values_list("enrollment").annotate(Max("created_at")).order_by("enrollment"))
    held = SeatAssignment.objects.filter(enrollment__in=ids, status__in=HELD_SEATS)
    districts = dict(held.values_list("enrollment", "allocation__district__name"))
    return [Waiting(each, since.get(each.pk, each.created_at), districts.get(each.pk, "")) for each in enrollments]


def find_neighbors(line: QuerySet[Enrollment], enrollment_id: int) -> tuple[int | None, int | None]:
    """Who comes after and who before an enrollment in the line, whether or not it still waits there. After the last one
    comes the first."""
    ids = line.values_list("pk", flat=True)
    after = ids.filter(pk__gt=enrollment_id).first() or ids.exclude(pk=enrollment_id).first()
    return after, ids.filter(pk__lt=enrollment_id).order_by("-pk").first()


def earlier_of(enrollment: Enrollment) -> QuerySet[Enrollment]:
    """What else its learner, or its lead, is or was enrolled in; the newest first."""
    if enrollment.learner_id is not None:
        others = Enrollment.objects.kept().filter(learner=enrollment.learner_id)
    else:
        others = Enrollment.objects.kept().filter(lead=enrollment.lead_id)
    return others.exclude(pk=enrollment.pk).select_related("instance").order_by("-pk")
