"""Asking families of idle seats whether they are still coming: the mail, the answer, and the staff's alternatives."""

import datetime as dt
from zoneinfo import ZoneInfo

import structlog
from django.db import transaction

from core.actors import Actor
from core.logs import after_commit
from core.rows import insert_unless_present
from notifications.letters import Email, register_email
from notifications.models import Notification
from notifications.sending import notify

from ...emails import may_read
from ...errors import IdleSeatSettled
from ...letters import SEAT_IDLE, write_seat_idle
from ...locks import lock_idle_seat
from ...models import IdleSeat
from ...states import IdleSeatStatus
from .finding import Idle, allocations_with_rule, find_idle
from .links import keep_url

log = structlog.get_logger(__name__)

FAMILY = Actor("family")  # anybody who has the URL from the mail


def ask_idle(*, now: dt.datetime) -> int:
    """Sweep: ask the family of each idle seat once; returns how many were asked. A family that can't be reached keeps
    its seat until staff take it back.
    """
    asked = 0
    for allocation in allocations_with_rule():
        for batch in find_idle(allocation=allocation, now=now):
            for idle in batch:
                if idle.readers:
                    asked += _ask(idle, grace=dt.timedelta(days=allocation.grace_days), now=now)
    return asked


@transaction.atomic
def keep_seat(*, idle_seat_id: int, actor: Actor, now: dt.datetime) -> IdleSeat:
    """Record that the family is still coming, as it or staff say: it keeps the seat and counts as active today. A
    repeated call changes nothing. Raises IdleSeatSettled if the seat was already taken back or is no longer asked
    about.
    """
    idle = lock_idle_seat(idle_seat_id)
    if idle.status != IdleSeatStatus.KEPT:
        settle(idle, IdleSeatStatus.KEPT, actor=actor, now=now)
    return idle


@transaction.atomic
def stop_asking(*, idle_seat_id: int, actor: Actor, now: dt.datetime) -> IdleSeat:
    """Leave the seat with its holder and never ask about it again. Raises IdleSeatSettled."""
    idle = lock_idle_seat(idle_seat_id)
    settle(idle, IdleSeatStatus.STOPPED, actor=actor, now=now)
    return idle


def settle(idle: IdleSeat, status: IdleSeatStatus, *, actor: Actor, now: dt.datetime) -> None:
    """Record the outcome for a (locked) idle seat. Raises IdleSeatSettled if one was recorded before."""
    if idle.status != IdleSeatStatus.ASKED:
        raise IdleSeatSettled
    idle.status = status
    idle.settled_at = now
    idle.settled_by = str(actor)
    idle.save(update_fields=["status", "settled_at", "settled_by", "passed_on_to"])
    after_commit(log.info, "idle_seat_settled", idle_seat=idle.pk, status=str(status), by=str(actor))


@transaction.atomic
def _ask(idle: Idle, *, grace: dt.timedelta, now: dt.datetime) -> bool:
    row = IdleSeat(seat=idle.seat, idle_since=idle.since, asked_at=now, due_at=now + grace)
    if not insert_unless_present(row):
        return False
    for address in idle.readers:
        notify(
            workspace_id=idle.seat.enrollment.workspace_id,
            kind=SEAT_IDLE,
            recipient=address,
            subject_key=f"idle_seat:{row.pk}",
            params={"idle_seat": row.pk},
            now=now,
        )
    return True


def render_seat_idle(notification: Notification) -> Email | None:
    """Return None once it is settled."""
    rows = IdleSeat.objects.filter(pk=notification.params["idle_seat"], status=IdleSeatStatus.ASKED)
    idle = rows.select_related("seat__enrollment__learner", "seat__enrollment__lead").select_related(
        "seat__enrollment__instance__program", "seat__enrollment__workspace"
    )
    found = idle.first()
    if found is None or not may_read(found.seat.enrollment, notification):
        return None
    enrollment = found.seat.enrollment
    return write_seat_idle(
        enrollment,
        days=(found.asked_at - found.idle_since).days,
        until=found.due_at.astimezone(ZoneInfo(enrollment.workspace.timezone)).date(),
        link=keep_url(found.pk),
    )


register_email(SEAT_IDLE, render_seat_idle)
