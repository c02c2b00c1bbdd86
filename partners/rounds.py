"""Going round the partners with what is due at them.

Each partner is a task of its own for the worker, so one that hangs holds up no other."""

import datetime as dt
from typing import Protocol

import structlog
from celery import signature

from core import retries
from core.work import nudge

from .models import EnrollmentStepQuerySet
from .outages import is_silent

log = structlog.get_logger(__name__)


# A partner that leaves so many in a row without an answer is left alone until the next round. One that fails now and
# then is not: of five learners, the other four would wait a round for each failure.
SILENCES_IN_A_ROW = 3
# One that has been silent for so long is asked about a single learner in each round, to see whether it is back.
LONG_SILENCE = dt.timedelta(minutes=5)


class Deal(Protocol):
    """Asks a partner about one step. False if the partner does not answer."""

    def __call__(self, *, step_cuid: str, now: dt.datetime) -> bool: ...


def go_through(steps: EnrollmentStepQuerySet, *, provider_id: int, deal: Deal, limit: int, now: dt.datetime) -> int:
    """Deal with those of `steps` that are due at one partner, the longest waiting first, until it leaves
    SILENCES_IN_A_ROW of them without an answer, or one after a LONG_SILENCE. Returns how many were tried."""
    due = retries.due(steps.filter(provider=provider_id), now=now)
    patience = 1 if is_silent(provider_id=provider_id, since=now - LONG_SILENCE) else SILENCES_IN_A_ROW
    tried = 0
    silences = 0
    for step_cuid in list(due.values_list("cuid", flat=True)[:limit]):
        tried += 1
        try:
            silences = 0 if deal(step_cuid=step_cuid, now=now) else silences + 1
        except Exception:  # the trouble of one step is its own; its lease brings it back
            log.exception("step_not_dealt_with", step=step_cuid)
        if silences == patience:
            break
    return tried


def ring_for(steps: EnrollmentStepQuerySet, *, task: str, now: dt.datetime) -> int:
    """Have the worker run `task` for each partner at which one of `steps` is due; returns for how many."""
    due = retries.due(steps, now=now).order_by()
    provider_ids = sorted(set(due.values_list("provider_id", flat=True).distinct()))
    for provider_id in provider_ids:
        nudge(signature(task), provider_id)
    return len(provider_ids)
