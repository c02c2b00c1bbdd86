"""The router's decisions by day and by reason, both from one query."""

import json
from collections import Counter
from zoneinfo import ZoneInfo

from django.db.models import Count
from django.db.models.functions import TruncDate

from enrollments.models import Enrollment, EnrollmentDecision
from enrollments.states import DecisionReason, EligibilityStatus, ProvisionSource

from .figure import Asked, Bar, Figure, bars_of

COLORS = {ProvisionSource.DISTRICT: "primary-500", ProvisionSource.PARENT: "orange-500"}


def decisions(asked: Asked) -> list[Figure]:
    period = asked.period
    rows = asked.mine(EnrollmentDecision).filter(**period.during("created_at"))
    day = TruncDate("created_at", tzinfo=ZoneInfo(period.zone))
    found = list(rows.values_list(day, "provision_source", "reason").annotate(Count("pk")))
    by_day: Counter[tuple[object, str]] = Counter()
    by_reason: Counter[str] = Counter()
    for on, source, reason, count in found:
        by_day[on, source or ""] += count
        by_reason[reason] += count
    return [_by_source(asked, by_day), _by_reason(asked, by_reason)]


def _by_source(asked: Asked, counts: Counter[tuple[object, str]]) -> Figure:
    period = asked.period
    scope = asked.scope
    totals = {source: sum(counts[day, source.value] for day in period.days) for source in ProvisionSource}
    lines = [
        {
            "label": source.label,
            "data": [counts[day, source.value] for day in period.days],
            "borderColor": f"var(--color-{COLORS[source]})",
            "backgroundColor": f"var(--color-{COLORS[source]})",
            "tension": 0.3,
            "maxTicksXLimit": 7,
            "displayYAxis": True,
        }
        for source in ProvisionSource
    ]
    labels = [f"{day:%b} {day.day}" for day in period.days]
    return Figure(
        name="decisions",
        title="Decisions by source",
        help=(
            "The router's answer to each enrollment request, on the day it was given: a district's seat, a "
            "payment by the parents, or a refusal."
        ),
        empty="No decisions were made in this period.",
        columns=("Day", *(str(source.label) for source in ProvisionSource), "Neither"),
        rows=[
            (day.isoformat(), *(str(counts[day, source]) for source in (*ProvisionSource.values, "")))
            for day in period.days
            if counts
        ],
        more_url=scope.list_url(EnrollmentDecision, **period.during("created_at")),
        keys=[
            Bar(
                label=str(source.label),
                count=totals[source],
                share=0,
                tone=source.value,
                url=scope.list_url(
                    EnrollmentDecision, provision_source__exact=source.value, **period.during("created_at")
                ),
            )
            for source in ProvisionSource
        ],
        chart=json.dumps({"labels": labels, "datasets": lines}) if counts and len(labels) > 1 else "",
    )


def _by_reason(asked: Asked, counts: Counter[str]) -> Figure:
    period = asked.period
    scope = asked.scope
    found = [
        (
            str(DecisionReason(reason).label),
            count,
            scope.list_url(EnrollmentDecision, reason__exact=reason, **period.during("created_at")),
            "",
        )
        for reason, count in sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    ]
    return Figure(
        name="reasons",
        title="Decisions by reason",
        help=(
            "The same decisions by reason. The reason is the district's side of it: parents pay because no seat "
            "was found."
        ),
        empty="No decisions were made in this period.",
        columns=("Reason", "Decisions"),
        rows=[(label, str(count)) for label, count, _, _ in found],
        bars=bars_of(found),
    )


def enrollments(asked: Asked) -> list[Figure]:
    """Count all enrollments, whatever the days."""
    rows = asked.mine(Enrollment).kept()
    counts = dict(rows.values_list("eligibility_status").annotate(Count("pk")))
    found = [
        (
            str(status.label),
            counts.get(status.value, 0),
            asked.scope.list_url(Enrollment, eligibility_status__exact=status.value),
            status.value,
        )
        for status in EligibilityStatus
        if counts
    ]
    return [
        Figure(
            name="enrollments",
            title="Enrollments by status",
            help="All enrollments as they stand now, regardless of the days above. Deleted ones are not counted.",
            empty="Nobody is enrolled yet.",
            columns=("Status", "Enrollments"),
            rows=[(label, str(count)) for label, count, _, _ in found],
            more_url=asked.scope.list_url(Enrollment),
            bars=bars_of(found),
        )
    ]
