"""Times in which a partner could not work for a learner, and measuring time without them."""

import datetime as dt
from collections.abc import Iterable, Sequence

from django.db import models
from django.db.models import Q

from ..states import OutageReason
from .providers import Provider

Interval = tuple[dt.datetime, dt.datetime]


class ProviderOutage(models.Model):
    """A past period in which a partner was paused or did not answer. The current one is stored with the provider."""

    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="outages")
    reason = models.CharField(max_length=9, choices=OutageReason.choices)
    began_at = models.DateTimeField()
    ended_at = models.DateTimeField()

    class Meta:
        verbose_name = "outage"
        constraints = [
            models.CheckConstraint(condition=Q(reason__in=OutageReason.values), name="provider_outage_reason_known"),
            models.CheckConstraint(
                condition=Q(ended_at__gte=models.F("began_at")), name="provider_outage_ends_after_it_began"
            ),
        ]
        indexes = [models.Index(fields=["provider", "ended_at"], name="provider_outage_lately")]

    def __str__(self) -> str:
        return f"{self.get_reason_display()} from {self.began_at} to {self.ended_at}"


def outages_of(providers: Sequence[Provider], *, now: dt.datetime) -> dict[int, list[Interval]]:
    """Return when each of these partners was out, by its key: one query. Latest first, and without overlaps."""
    found: dict[int, list[Interval]] = {provider.pk: _present(provider, now) for provider in providers}
    rows = ProviderOutage.objects.filter(provider__in=found)
    for provider_id, began, ended in rows.values_list("provider_id", "began_at", "ended_at"):
        found[provider_id].append((began, ended))
    return {provider_id: _merged(intervals) for provider_id, intervals in found.items()}


def go_back(now: dt.datetime, span: dt.timedelta, outages: Iterable[Interval]) -> dt.datetime:
    """Return the latest moment since which at least `span` has passed, not counting the outages, given latest first."""
    moment = now
    for began, ended in outages:
        free = moment - ended
        if free >= span:
            break
        span -= max(free, dt.timedelta())
        moment = min(moment, began)
    return moment - span


def time_passed(since: dt.datetime, now: dt.datetime, outages: Iterable[Interval]) -> dt.timedelta:
    """Return how long ago it is, not counting the outages."""
    out = sum((max(dt.timedelta(), min(ended, now) - max(began, since)) for began, ended in outages), dt.timedelta())
    return max(dt.timedelta(), now - since - out)


def _present(provider: Provider, now: dt.datetime) -> list[Interval]:
    present = []
    if provider.paused_at is not None:
        present.append((provider.paused_at, max(now, provider.paused_at)))
    if provider.silent_since is not None and provider.silent_until is not None:
        present.append((provider.silent_since, provider.silent_until))
    return present


def _merged(intervals: list[Interval]) -> list[Interval]:
    merged: list[Interval] = []
    for began, ended in sorted(intervals, key=lambda interval: interval[1], reverse=True):
        if merged and ended >= merged[-1][0]:
            merged[-1] = (min(began, merged[-1][0]), merged[-1][1])
        else:
            merged.append((began, ended))
    return merged
