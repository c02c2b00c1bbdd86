"""The effect of each kind of event from a partner, whatever the order in which they arrive.

An effect changes a locked step in memory, through an `Advance`, and returns the outcome in words.
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.utils.dateparse import parse_datetime

from core.actors import Actor

from .history import taken_back_at
from .models import EnrollmentStep, PartnerEvent
from .progression import Advance
from .states import DONE, PartnerStepStatus
from .web_addresses import web_address

PARTNER = Actor("partner")

DONE_AGAIN = "staff had the step done again after that"

Effect = Callable[[Advance, EnrollmentStep, Sequence[EnrollmentStep], PartnerEvent], str]


def completion_time(payload: Mapping[str, Any], otherwise: dt.datetime) -> dt.datetime:
    """Return when the learner finished, if the partner gives a readable time."""
    try:
        told = parse_datetime(payload.get("completedAt", ""))
    except ValueError:
        return otherwise
    if told is None:
        return otherwise
    return told if told.tzinfo else told.replace(tzinfo=dt.UTC)


def _was_before_reopening(step: EnrollmentStep, at: dt.datetime) -> bool:
    taken_back = taken_back_at(step)
    return taken_back is not None and at <= taken_back


def _complete(advance: Advance, step: EnrollmentStep, steps: Sequence[EnrollmentStep], event: PartnerEvent) -> str:
    """Complete the step, unless staff or an exit decided otherwise; the event records what the partner said."""
    if _was_before_reopening(step, completion_time(event.payload, event.received_at)):
        return DONE_AGAIN
    if step.status in (*DONE, PartnerStepStatus.WITHDRAWN):
        return f"the step was {step.status} before"
    advance.complete(step, steps, actor=PARTNER)
    return "completed"


def _progress(advance: Advance, step: EnrollmentStep, steps: Sequence[EnrollmentStep], event: PartnerEvent) -> str:
    """Raise the progress, never lower it: an older message may arrive later."""
    if _was_before_reopening(step, event.received_at):
        return DONE_AGAIN
    percent = event.payload.get("progress", 0)
    if step.status != PartnerStepStatus.IN_PROGRESS or percent <= step.progress:
        return "no further than before"
    advance.journal.note(step, progress=percent)
    return f"progress is {percent} percent"


def _keep_certificate(
    advance: Advance, step: EnrollmentStep, steps: Sequence[EnrollmentStep], event: PartnerEvent
) -> str:
    if _was_before_reopening(step, event.received_at):
        return DONE_AGAIN
    certificate = {
        "id": event.payload.get("certificateId", ""),
        "number": event.payload.get("certificateNumber", ""),
        "url": web_address(event.payload.get("downloadUrl")),
    }
    advance.journal.note(step, certificate=certificate)
    return "certificate kept"


def _note(advance: Advance, step: EnrollmentStep, steps: Sequence[EnrollmentStep], event: PartnerEvent) -> str:
    return f"noted; the step is {step.status}"


EFFECTS: dict[str, Effect] = {
    "enrollment.created": _note,
    "progress.updated": _progress,
    "course.progress": _progress,
    "course.completed": _complete,
    "certificate.issued": _keep_certificate,
}
