"""The progress of learners at the partners of workspaces: the figures for the API, the back office, and the command.

A handful of statements over all steps, none of them per partner or per learner.
"""

import datetime as dt
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db import connection
from django.db.models import Aggregate, Count, DurationField, ExpressionWrapper, F, Q, QuerySet, Window
from django.db.models.functions import RowNumber

from .models import EnrollmentStep, Provider, is_breach, is_stuck
from .states import NOT_BEGUN, PartnerStepStatus
from .stuck import StuckStep, describe_stuck

TREND = dt.timedelta(weeks=4)
STUCK_SHOWN = 50  # at each partner


@dataclass(frozen=True, slots=True, kw_only=True)
class PartnerFigures:
    """One partner. Queued steps count as pending, as on every page and in the API."""

    provider: Provider
    pending: int
    in_progress: int
    completed: int
    failed: int
    skipped: int
    withdrawn: int
    begun: int  # accepted by the partner, or completed without it
    dropped_out: int  # those of them that left before they completed
    lately: int  # completed within the last four weeks
    before: int  # completed within the four weeks before those
    sla_breaches: int  # took longer than agreed to be accepted, or to finish
    median_days: float | None  # from acceptance to completion
    stuck_count: int
    stuck: list[StuckStep]  # the longest first, up to the number shown
    is_bottleneck: bool = False

    @property
    def completion_rate(self) -> float | None:
        """Return the share of those who began here that have completed; None before the first."""
        return round(self.completed / self.begun, 4) if self.begun else None

    @property
    def drop_off_rate(self) -> float | None:
        """Return the share of those who began here that left before the end; None before the first."""
        return round(self.dropped_out / self.begun, 4) if self.begun else None


def pipeline_of(*, workspace_id: int, now: dt.datetime) -> list[PartnerFigures]:
    """Return the figures of each partner of a workspace, by name."""
    return pipelines_of(workspace_ids=[workspace_id], now=now)[workspace_id]


def pipelines_of(*, workspace_ids: Sequence[int], now: dt.datetime) -> dict[int, list[PartnerFigures]]:
    """Return the figures of each partner of these workspaces, by name within its workspace.

    The bottleneck of a workspace is the partner with the most stuck learners, if there are any; if several tie, the one
    with the most to do.
    """
    providers = list(Provider.objects.filter(workspace__in=workspace_ids).order_by("name", "pk"))
    steps = EnrollmentStep.objects.current().filter(provider__in=[each.pk for each in providers])
    stuck = is_stuck(now)
    breach = is_breach(now)
    counts = _counted(steps, stuck, breach, now)
    medians = _median_days(steps)
    longest = _longest_stuck(steps.filter(stuck), now)
    nothing: dict[str, Any] = dict.fromkeys(_counts(stuck, breach, now), 0)
    found: dict[int, list[PartnerFigures]] = {workspace_id: [] for workspace_id in workspace_ids}
    for provider in providers:
        figures = PartnerFigures(
            provider=provider,
            median_days=medians.get(provider.pk),
            stuck=longest.get(provider.pk, []),
            **counts.get(provider.pk, nothing),
        )
        found[provider.workspace_id].append(figures)
    return {workspace_id: _mark_bottleneck(partners) for workspace_id, partners in found.items()}


def _counts(stuck: Q, breach: Q, now: dt.datetime) -> dict[str, Count]:
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
        "sla_breaches": Count("pk", filter=breach),
        "stuck_count": Count("pk", filter=stuck),
    }


def _counted(steps: QuerySet[EnrollmentStep], stuck: Q, breach: Q, now: dt.datetime) -> dict[int, dict[str, Any]]:
    """Return everything that is counted, by partner, in one pass over the steps."""
    counts = _counts(stuck, breach, now)
    names = tuple(counts)
    rows = steps.values("provider").annotate(**counts).order_by().values_list("provider", *names)
    return {provider_id: dict(zip(names, numbers, strict=True)) for provider_id, *numbers in rows}


def _longest_stuck(stuck: QuerySet[EnrollmentStep], now: dt.datetime) -> dict[int, list[StuckStep]]:
    """Return those that are shown at each partner. They are first found by key: of a hundred thousand that wait, only a
    few need their learners read.
    """
    place = Window(RowNumber(), partition_by="provider", order_by=["changed_at", "pk"])
    keys = stuck.annotate(place=place).filter(place__lte=STUCK_SHOWN).values_list("pk", flat=True)
    rows = EnrollmentStep.objects.filter(pk__in=list(keys)).order_by("changed_at", "pk")
    shown: dict[int, list[StuckStep]] = {}
    for found in describe_stuck(list(rows.select_related("provider", "item", "enrollment__learner")), now=now):
        shown.setdefault(found.step.provider_id, []).append(found)
    return shown


class _Median(Aggregate):
    """PostgreSQL's continuous percentile, at the half."""

    template = "PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY %(expressions)s)"
    output_field = DurationField()


def _median_days(steps: QuerySet[EnrollmentStep]) -> dict[int, float]:
    """Compute the medians in Python: SQLite has no percentiles, and only holds the few rows of a trial."""
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


def _mark_bottleneck(partners: list[PartnerFigures]) -> list[PartnerFigures]:
    def load(figures: PartnerFigures) -> tuple[int, int, int]:
        return figures.stuck_count, figures.in_progress, -figures.provider.pk

    worst = max(partners, key=load, default=None)
    if worst is None or not worst.stuck_count:
        return partners
    return [replace(each, is_bottleneck=each is worst) for each in partners]
