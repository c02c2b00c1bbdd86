"""The operators' metrics of enrollments, decisions, and districts' seats."""

import datetime as dt
from collections.abc import Iterator

from django.db.models import F, Min, Q, QuerySet

from core.jobs import UNFINISHED, JobStatus
from core.local_time import is_not_over
from core.metrics import Figure, Kind, Reading, Work, count_by, sum_by

from .models import DistrictSeatAllocation, Enrollment, EnrollmentDecision, EvaluationJob, ImportJob, PlannedExit
from .queries import awaiting_review
from .states import ExitStatus


def _is_late(now: dt.datetime) -> Q:
    """Return the condition that an exit's day, in its workspace's time zone, has passed."""
    return ~is_not_over(now=now, date="effective_date", zone="enrollment__workspace__timezone")


WORK = (
    Work(
        "imports",
        lambda now: ImportJob.objects.filter(status__in=UNFINISHED),
        lambda: ImportJob.objects.filter(status=JobStatus.FAILED),
    ),
    Work(
        "evaluations",
        lambda now: EvaluationJob.objects.filter(status__in=UNFINISHED),
        lambda: EvaluationJob.objects.filter(status=JobStatus.FAILED),
    ),
    Work("planned_exits", lambda now: PlannedExit.objects.filter(_is_late(now), status=ExitStatus.PLANNED)),
)


def _seats(now: dt.datetime) -> Iterator[Reading]:
    """Yield the seats of allocations that are switched on, whatever their dates."""
    rows = DistrictSeatAllocation.objects.filter(is_active=True).annotate(
        workspace=F("district__workspace__slug"),
        tenant=F("district__tenant_id"),
        free=F("total_seats") - F("reserved_seats") - F("used_seats"),
    )
    for state, column in (("free", "free"), ("reserved", "reserved_seats"), ("used", "used_seats")):
        for labels, seats in sum_by(rows, column, "workspace", "tenant"):
            yield (*labels, state), seats


def _waiting_longest(now: dt.datetime) -> Iterator[Reading]:
    waiting: QuerySet[Enrollment] = awaiting_review(Enrollment.objects.kept())
    since = waiting.aggregate(since=Min("updated_at"))["since"]
    yield (), max((now - since).total_seconds(), 0.0) if since else 0.0


FIGURES = (
    Figure(
        "decisions_total",
        "Routing decisions by who pays and why.",
        ("source", "reason"),
        lambda now: count_by(EnrollmentDecision.objects.all(), "provision_source", "reason"),
        Kind.COUNTER,
    ),
    Figure(
        "enrollments",
        "Enrollments by their eligibility.",
        ("status",),
        lambda now: count_by(Enrollment.objects.kept(), "eligibility_status"),
    ),
    Figure(
        "awaiting_review",
        "Enrollments that a reviewer can decide.",
        (),
        lambda now: [((), awaiting_review(Enrollment.objects.kept()).count())],
    ),
    Figure("awaiting_review_oldest_seconds", "For how long the first of them has waited.", (), _waiting_longest),
    Figure(
        "seats", "Districts' seats in allocations that are switched on.", ("workspace", "district", "state"), _seats
    ),
)
