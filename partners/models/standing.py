"""Which steps have kept their status for too long, not counting the outages of their partners."""

import datetime as dt
from collections.abc import Callable, Mapping

from django.db.models import Q

from ..states import PartnerStepStatus
from .outages import go_back, outages_of
from .providers import Provider

# How long a step may wait for its partner to accept the learner before it counts as stuck.
ACCEPTED_WITHIN = dt.timedelta(hours=1)

_AGREED = ("accept_within_hours", "expected_days", "stuck_after_days")

Allowed = Mapping[PartnerStepStatus, dt.timedelta]


def is_stuck(now: dt.datetime) -> Q:
    """Return the condition for a stuck step: in progress for longer than its partner's `stuck_after_days`, queued for
    an hour without being accepted, or failed. Time in which the partner was paused, or did not answer, does not count.
    """
    return Q(status=PartnerStepStatus.FAILED) | _stands_longer_than(
        lambda provider: {
            PartnerStepStatus.QUEUED: ACCEPTED_WITHIN,
            PartnerStepStatus.IN_PROGRESS: dt.timedelta(days=provider.stuck_after_days),
        },
        now,
    )


def is_breach(now: dt.datetime) -> Q:
    """Return the condition for a breach: the partner has taken longer than its service level to accept the learner, or
    to let them finish. Time in which the partner was paused, or did not answer, does not count.
    """
    return _stands_longer_than(service_level, now)


def service_level(provider: Provider) -> Allowed:
    """Return how long a step may keep a status under the partner's agreement."""
    return {
        PartnerStepStatus.QUEUED: dt.timedelta(hours=provider.accept_within_hours),
        PartnerStepStatus.IN_PROGRESS: dt.timedelta(days=provider.expected_days),
    }


def _stands_longer_than(allowed: Callable[[Provider], Allowed], now: dt.datetime) -> Q:
    """Build the condition from the partners and their outages (two queries), so that an index finds the steps."""
    providers = list(Provider.objects.only("pk", *_AGREED, "paused_at", "silent_since", "silent_until"))
    outages = outages_of(providers, now=now)
    alike: dict[tuple[PartnerStepStatus, dt.datetime], list[int]] = {}
    for provider in providers:
        for status, span in allowed(provider).items():
            since = go_back(now, span, outages[provider.pk])
            alike.setdefault((status, since), []).append(provider.pk)
    found = Q(pk__in=())
    for (status, since), provider_ids in alike.items():
        found |= Q(provider__in=provider_ids, status=status, changed_at__lt=since)
    return found
