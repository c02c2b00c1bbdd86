"""Polling partners about learners of whom they reported nothing for a while: they send no webhooks, or one was lost.

A partner's answer is stored in the inbox, under an id derived from its content, and applied as if the partner had sent
it. So news that is read twice, or both read and sent, has one effect, and staff see where it came from.
"""

import datetime as dt
from collections.abc import Iterator
from typing import Any

from core import retries
from core.text import fit

from .effects import completion_time
from .gateways.contract import PartnerDown, PartnerNews, PartnerRefuses
from .gateways.rest import get_gateway
from .history import taken_back_at
from .inbox import handle_event, store_found
from .models import EnrollmentStep
from .outages import note_answer, note_failure
from .rounds import PER_ROUND, go_through, ring_for

# It continues until the step is over: after a few failures, once an hour.
RETRY = retries.Retry(
    first_pause_seconds=60, longest_pause_seconds=3600, lease=dt.timedelta(minutes=3), attempts=32_000
)
ROUND = "partners.tasks.poll_provider"


def poll_step(*, step_cuid: str, now: dt.datetime) -> bool:
    """Ask a partner for news of one learner, if that is due and nobody else is working on it, and apply the answer.

    Returns False if the partner does not answer.
    """
    if not retries.claim(EnrollmentStep.objects.to_poll().filter(cuid=step_cuid), now=now, lease=RETRY.lease):
        return True
    step = EnrollmentStep.objects.select_related("provider").get(cuid=step_cuid)
    try:
        news = get_gateway(step.provider).read(step.external_enrollment_id or "")
    except PartnerDown as error:
        note_failure(step.provider, error, now=now)
        retries.record_failure(
            EnrollmentStep.objects.to_poll().filter(pk=step.pk),
            retry=RETRY,
            attempts=min(step.attempts + 1, RETRY.attempts),
            error=error.detail,
            now=now,
            retry_after=error.wait_seconds,
        )
        return False
    except PartnerRefuses as error:
        news = None
        trouble = error.detail
    else:
        trouble = _trouble(news)
    note_answer(step.provider, now=now)
    EnrollmentStep.objects.to_poll().filter(pk=step.pk).update(
        attempts=0,
        last_error=fit(EnrollmentStep, "last_error", trouble),
        next_attempt_at=now + dt.timedelta(hours=step.provider.poll_hours),
    )
    for kind, name, data in _find_changes(step, news):
        event = store_found(step=step, kind=kind, message_id=f"poll:{step.cuid}:{name}", data=data, now=now)
        handle_event(event_id=event.pk, now=now)
    return True


def poll_provider(*, provider_id: int, limit: int = PER_ROUND, now: dt.datetime) -> int:
    """Ask one partner for news of the learners who are due, the longest waiting first, while it answers. Returns how
    many it was asked about.
    """
    to_poll = EnrollmentStep.objects.to_poll()
    return go_through(to_poll, provider_id=provider_id, deal=poll_step, task=ROUND, limit=limit, now=now)


def ring_for_due_polls(*, partner: str = "", now: dt.datetime) -> int:
    """Queue a worker task for each partner, or this one, that is due to be polled; returns how many."""
    to_poll = EnrollmentStep.objects.to_poll()
    if partner:
        to_poll = to_poll.filter(provider__slug=partner)
    return ring_for(to_poll, task=ROUND, now=now)


def _trouble(news: PartnerNews | None) -> str:
    """Return what staff should know about an answer that does not advance the learner."""
    if news is None:
        return "The partner knows nobody by this enrollment's id."
    return "The partner says that the learner has left." if news.status == "withdrawn" else ""


def _find_changes(step: EnrollmentStep, news: PartnerNews | None) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Find what the partner knows and we do not: the event that would have reported it, a name for it, and its data.

    If staff took a completion back, the partner's news is other news than before, or that completion again.
    """
    if news is None:
        return
    taken_back = taken_back_at(step)
    finished = {"completedAt": news.completed_at}
    is_over = news.status == "completed"
    after = ""
    if taken_back is not None:
        if is_over and completion_time(finished, taken_back) <= taken_back:  # without a time, it may be the same one
            return
        after = f"-after-{taken_back:%Y%m%dT%H%M%S%f}"
    if news.certificate and not step.certificate:
        yield "certificate.issued", f"certificate{after}", dict(news.certificate)
    if news.progress > step.progress:
        yield "progress.updated", f"progress-{news.progress}{after}", {"progress": news.progress}
    if is_over:
        yield "course.completed", f"completed{after}", finished
