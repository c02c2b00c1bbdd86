"""Breaches of the invariant of limited retention, and near misses."""

import datetime as dt

from core.clock import utc_now
from notifications.models import Notification
from privacy.models import Retention

from .world import World, breaks, spares

RULE = "privacy.nothing_is_kept_past_its_time"


@breaks(RULE)
def a_mail_that_no_sweep_took(world: World) -> str:
    return f"email {_mail(world, days=93, set_for=9).pk}"


@spares(RULE)
def a_mail_that_was_due_yesterday(world: World) -> None:
    _mail(world, days=91, set_for=9)


@spares(RULE)
def a_mail_of_a_workspace_that_set_it_just_now(world: World) -> None:
    _mail(world, days=1000, set_for=5)


def _mail(world: World, *, days: int, set_for: int) -> Notification:
    """Create a mail of this age in a workspace that has kept mails for ninety days for so long."""
    now = utc_now()
    workspace = world.used.workspace
    Retention.objects.create(workspace=workspace, mails_days=90, changed_at=now - dt.timedelta(days=set_for))
    at = now - dt.timedelta(days=days)
    return Notification.objects.create(
        workspace=workspace,
        kind="x",
        subject_key="x:1",
        recipient="a@b.test",
        status="sent",
        created_at=at,
        sent_at=at,
    )
