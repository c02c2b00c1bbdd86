"""Rounds at the partners: working through what is due at them.

Each partner is a worker task of its own, one worker at a time handles it, and none waits for it for long: so a partner
that hangs delays no other (docs/decisions/0100).
"""

import datetime as dt
import time
from collections.abc import Sequence
from typing import Protocol

import structlog
from celery import signature
from django.db.models import Q

from core import retries
from core.work import nudge

from .models import EnrollmentStepQuerySet, Provider

log = structlog.get_logger(__name__)


# A partner that leaves this many calls in a row unanswered is left alone for a while. Occasional failures don't count:
# of five learners, the other four would wait for each failure.
SILENCES_IN_A_ROW = 3
# A partner that makes us wait longer than this, without an answer, is left alone after one call.
SLOW_SECONDS = 1.0
# The maximum pause; it grows with the silence, and begins with the time that one call may take.
LONGEST_PAUSE = dt.timedelta(minutes=5)
PER_ROUND = 20
# A round yields to others after this long. The next one continues.
ROUND_SECONDS = 30.0
# A worker that dies in its round is replaced after this. The two calls of the last step may begin when the time is up.
LEASE = dt.timedelta(minutes=3)


class Deal(Protocol):
    """Asks a partner about one step. Returns False if the partner does not answer."""

    def __call__(self, *, step_cuid: str, now: dt.datetime) -> bool: ...


def go_through(
    steps: EnrollmentStepQuerySet, *, provider_id: int, deal: Deal, task: str, limit: int, now: dt.datetime
) -> int:
    """Handle those of `steps` that are due at one partner, the longest waiting first, unless another worker is there or
    the partner is being left alone. Returns how many were tried.

    It ends early if the partner falls silent, or still is. If there is more to do, `task` is queued again.
    """
    if not _begin(provider_id, now):
        return 0
    provider = Provider.objects.get(pk=provider_id)
    here = steps.filter(provider=provider_id)
    clock = Clock(now)
    is_silent = provider.silent_since is not None
    silences = SILENCES_IN_A_ROW - 1 if is_silent else 0
    tried = _find_likely(here, now) if is_silent else []
    for step_cuid in tried:
        silences = _deal_with(step_cuid, deal, clock, silences)
    is_silent = silences >= SILENCES_IN_A_ROW
    is_over = is_silent
    while not is_over and (found := _next(here, tried, limit=min(limit - len(tried), PER_ROUND), now=clock.moment())):
        for step_cuid in found:
            tried.append(step_cuid)
            silences = _deal_with(step_cuid, deal, clock, silences)
            is_silent = silences >= SILENCES_IN_A_ROW
            is_over = is_silent or clock.seconds() >= ROUND_SECONDS
            if is_over:
                break
    _end(provider_id, is_silent, clock.moment())
    # Includes steps that became due while nobody else could begin a round.
    if not is_silent and _next(here, tried, limit=1, now=clock.moment()):
        nudge(signature(task), provider_id)
    return len(tried)


def ring_for(steps: EnrollmentStepQuerySet, *, task: str, now: dt.datetime) -> int:
    """Queue `task` for each partner at which one of `steps` is due; returns for how many."""
    due = retries.due(steps, now=now).order_by()
    provider_ids = sorted(set(due.values_list("provider_id", flat=True).distinct()))
    for provider_id in provider_ids:
        nudge(signature(task), provider_id)
    return len(provider_ids)


class Clock:
    """The time in a round, which began at `now`."""

    def __init__(self, now: dt.datetime) -> None:
        self._now = now
        self._begun = time.monotonic()

    def seconds(self) -> float:
        return time.monotonic() - self._begun

    def moment(self) -> dt.datetime:
        return self._now + dt.timedelta(seconds=self.seconds())


def _next(steps: EnrollmentStepQuerySet, tried: Sequence[str], *, limit: int, now: dt.datetime) -> list[str]:
    return list(retries.due(steps.exclude(cuid__among=tried), now=now).values_list("cuid", flat=True)[:limit])


def _find_likely(steps: EnrollmentStepQuerySet, now: dt.datetime) -> list[str]:
    """Return the due step, if any, that best tests a silent partner; the longest waiting may itself be the problem."""
    return list(retries.due(steps, now=now).order_by("attempts", "pk").values_list("cuid", flat=True)[:1])


def _deal_with(step_cuid: str, deal: Deal, clock: Clock, silences: int) -> int:
    """Return how many calls in a row are unanswered after this one; a slow one counts as the maximum."""
    asked = clock.seconds()
    try:
        if deal(step_cuid=step_cuid, now=clock.moment()):
            return 0
    except Exception:  # one step's failure must not affect others; its lease brings it back
        log.exception("step_not_dealt_with", step=step_cuid)
        return silences
    return SILENCES_IN_A_ROW if clock.seconds() - asked >= SLOW_SECONDS else silences + 1


def _begin(provider_id: int, now: dt.datetime) -> bool:
    """Return whether this worker may begin a round, which excludes others until `_end`, or until the lease expires."""
    free = Provider.objects.filter(Q(next_round_at=None) | Q(next_round_at__lte=now), pk=provider_id)
    return free.update(next_round_at=now + LEASE) == 1


def _end(provider_id: int, is_silent: bool, now: dt.datetime) -> None:
    """Let others begin: at once, or after a pause if the partner is silent."""
    provider = Provider.objects.get(pk=provider_id)
    pause = None
    if is_silent:
        shortest = dt.timedelta(seconds=provider.timeout_seconds)
        pause = min(max(now - (provider.silent_since or now), shortest), LONGEST_PAUSE)
    Provider.objects.filter(pk=provider_id).update(next_round_at=pause and now + pause)
