"""How the learners of a workspace fare at its partners: the figures that the API, the back office and the command show.

A handful of statements over all steps, none of them per partner or per learner.
"""

import datetime as dt
import statistics
from dataclasses import dataclass, field
from typing import Any

from django.db import connection
from django.db.models import Aggregate, Count, DurationField, ExpressionWrapper, F, Q, QuerySet

from .models import EnrollmentStep, Provider
from .states import NOT_BEGUN, PartnerStepStatus
from .stuck import StuckStep, describe_stuck

TREND = dt.timedelta(weeks=4)
STUCK_SHOWN = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerFigures:
    """One partner. Those who are queued count as pending, as on every page and in the API."""

    provider: Provider
    pending: int
    in_progress: int
    completed: int
    failed: int
    skipped: int
    withdrawn: int
    begun: int  # how many the partner ever accepted, or who completed without
    dropped_out: int  # how many of those left before they completed
    lately: int  # completed within the last four weeks
    before: int  # completed within the four weeks before those
    sla_breaches: int  # in progress, and due to have finished
    median_days: float | None  # from acceptance to completion
    stuck_count: int
    is_bottleneck: bool
    stuck: list[StuckStep] = field(default_factory=list)  # the longest first, as far as they are shown

    @property
    def completion_rate(self) -> float | None:
        """The part of those who began here that have completed; None before the first."""
        return round(self.completed / self.begun, 4) if self.begun else None

    @property
    def drop_off_rate(self) -> float | None:
        """The part of those who began here that left before the end; None before the first."""
        return round(self.dropped_out / self.begun, 4) if self.begun else None


def pipeline_of(*, workspace_id: int, now: dt.datetime) -> list[PartnerFigures]:
    """The figures of each partner of a workspace, by name.

    The bottleneck is the partner with the most learners stuck, if any are; of several, the one with the most to do.
    """
    providers = list(Provider.objects.filter(workspace=workspace_id).order_by("name", "pk"))
    steps = EnrollmentStep.objects.current().filter(provider__in=[each.pk for each in providers])
    counts = _counted(steps, now)
    medians = _median_days(steps)
    late = steps.stuck(now)
    stuck_counts = dict(late.values("provider").annotate(n=Count("pk")).values_list("provider", "n"))
    shown: dict[int, list[StuckStep]] = {}
    rows = late.select_related("provider", "item", "enrollment__learner").order_by("changed_at", "pk")
    for found in describe_stuck(list(rows[:STUCK_SHOWN]), now=now):
        shown.setdefault(found.step.provider_id, []).append(found)
    bottleneck = _bottleneck(stuck_counts, counts)
    counted = tuple(_counts(now))
    return [
        PartnerFigures(
            provider=provider,
            median_days=medians.get(provider.pk),
            stuck_count=stuck_counts.get(provider.pk, 0),
            stuck=shown.get(provider.pk, []),
            is_bottleneck=provider.pk == bottleneck,
            **{name: counts.get(provider.pk, {}).get(name, 0) for name in counted},
        )
        for provider in providers
    ]


def _counts(now: dt.datetime) -> dict[str, Count]:
    def count(**conditions: Any) -> Count:
        return Count("pk", filter=Q(**conditions))

    begun = Q(started_at__isnull=False) | Q(status=PartnerStepStatus.COMPLETED)
    return {
        "pending": count(status__in=[status for status in NOT_BEGUN if status != PartnerStepStatus.FAILED]),
        "in_progress": count(status=PartnerStepStatus.IN_PROGRESS),
        "completed": count(status=PartnerStepStatus.COMPLETED),
        "failed": count(status=PartnerStepStatus.FAILED),
        "skipped": count(status=PartnerStepStatus.SKIPPED),
        "withdrawn": count(status=PartnerStepStatus.WITHDRAWN),
        "begun": Count("pk", filter=begun),
        "dropped_out": count(status=PartnerStepStatus.WITHDRAWN, started_at__isnull=False),
        "lately": count(completed_at__gt=now - TREND, completed_at__lte=now),
        "before": count(completed_at__gt=now - 2 * TREND, completed_at__lte=now - TREND),
        "sla_breaches": count(status=PartnerStepStatus.IN_PROGRESS, due_at__lt=now),
    }


def _counted(steps: QuerySet[EnrollmentStep], now: dt.datetime) -> dict[int, dict[str, Any]]:
    rows = steps.values("provider").annotate(**_counts(now)).order_by()
    return {row["provider"]: dict(row) for row in rows}


class _Median(Aggregate):
    """PostgreSQL's continuous percentile, at the half."""

    template = "PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY %(expressions)s)"
    output_field = DurationField()


def _median_days(steps: QuerySet[EnrollmentStep]) -> dict[int, float]:
    """SQLite knows no percentiles, and holds the few rows of a trial: there they are read."""
    taken = ExpressionWrapper(F("completed_at") - F("started_at"), output_field=DurationField())
    finished = steps.filter(status=PartnerStepStatus.COMPLETED, started_at__isnull=False)
    if connection.vendor == "postgresql":
        found = dict(finished.values("provider").annotate(half=_Median(taken)).values_list("provider", "half"))
    else:
        spans: dict[int, list[dt.timedelta]] = {}
        for provider_id, span in finished.annotate(taken=taken).values_list("provider", "taken"):
            spans.setdefault(provider_id, []).append(span)
        found = {provider_id: statistics.median(every) for provider_id, every in spans.items()}  # type: ignore[type-var]
    return {provider_id: round(half / dt.timedelta(days=1), 1) for provider_id, half in found.items()}


def _bottleneck(stuck_counts: dict[int, int], counts: dict[int, dict[str, Any]]) -> int | None:
    def load(provider_id: int) -> tuple[int, int, int]:
        return stuck_counts[provider_id], counts[provider_id]["in_progress"], -provider_id

    return max(stuck_counts, key=load, default=None)
