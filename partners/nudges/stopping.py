"""Stopping and resuming nudges, by their recipient or staff, and restarting their count."""

import datetime as dt

import structlog
from django.db import transaction

from accounts.staff_tasks import settle_staff_task
from core.actors import Actor
from core.errors import NotFound
from core.logs import after_commit

from ..models import Nudge
from ..task_kinds import NUDGES_UNANSWERED

log = structlog.get_logger(__name__)

RECEIVER = Actor("receiver")  # anybody who has the URL from the mail


@transaction.atomic
def stop_nudges(*, nudge_id: int, actor: Actor, now: dt.datetime) -> None:
    """Stop nudging this recipient about this. A repeated call changes nothing. Raises NotFound."""
    nudge = _lock(nudge_id)
    if nudge.stopped_at is None:
        nudge.stopped_at = now
        nudge.stopped_by = str(actor)
        nudge.save(update_fields=["stopped_at", "stopped_by"])
        after_commit(log.info, "nudges_stopped", nudge=nudge_id, by=str(actor))


@transaction.atomic
def resume_nudges(*, nudge_id: int, actor: Actor, now: dt.datetime) -> None:
    """Resume nudging this recipient, but not within a week of the last nudge. Repeats are harmless. Raises NotFound."""
    nudge = _lock(nudge_id)
    if nudge.stopped_at is None and nudge.given_up_at is None:
        return
    nudge.stopped_at = None
    nudge.stopped_by = ""
    nudge.save(update_fields=["stopped_at", "stopped_by"])
    begin_anew(nudge_id=nudge_id, resolution="They are nudged again.", now=now)
    after_commit(log.info, "nudges_resumed", nudge=nudge_id, by=str(actor))


@transaction.atomic
def begin_anew(*, nudge_id: int, resolution: str, now: dt.datetime) -> None:
    """Restart the count, and settle the staff task. Raises NotFound."""
    nudge = _lock(nudge_id)
    nudge.sent_count = 0
    nudge.given_up_at = None
    nudge.save(update_fields=["sent_count", "given_up_at"])
    settle_staff_task(kind=NUDGES_UNANSWERED, subject=nudge.subject, resolution=resolution, now=now)


def _lock(nudge_id: int) -> Nudge:
    nudge = Nudge.objects.select_for_update(no_key=True).filter(pk=nudge_id).first()
    if nudge is None:
        raise NotFound("There are no such nudges.")
    return nudge
