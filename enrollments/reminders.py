"""Reminders that an enrollment ends: 14 and 3 days before its last day, each once (docs/decisions/0091).

A reminder is a row with a unique key, so neither concurrent sweeps nor a moved date creates a second one.
"""

import datetime as dt
from collections.abc import Callable

from django.db import transaction
from django.db.models import CharField, Exists, F, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Cast, Concat

from core.local_time import has_come, is_not_over
from notifications.letters import Email, register_email
from notifications.models import Notification, WorkspaceLetter
from notifications.sending import notify

from .emails import addresses_about, hears_from_us, may_read
from .letters import ENDS_SOON, write_ends_soon
from .models import Enrollment, PlannedExit
from .states import ExitStatus

# Days before the end, the last reminder first: once it is due, the earlier ones are no longer sent.
DAYS_BEFORE = (3, 14)
BATCH = 500
# A queued mail is still sent if the end was moved by no more than this: it gives the new date.
SLACK = dt.timedelta(days=7)


def remind_of_ends(*, at_most: int, size: int = BATCH, clock: Callable[[], dt.datetime]) -> int:
    """Sweep: write to the families of enrollments that are about to end; returns how many enrollments were looked at.
    Each is looked at once, so families that can't be reached delay nobody else.
    """
    seen = 0
    for days in DAYS_BEFORE:
        last = 0
        while seen < at_most:
            found = _remind(days, after=last, limit=min(size, at_most - seen), now=clock())
            if not found:
                break
            seen += len(found)
            last = found[-1]
    return seen


@transaction.atomic
def _remind(days: int, *, after: int, limit: int, now: dt.datetime) -> list[int]:
    due = due_to_remind(days=days, now=now).filter(pk__gt=after).order_by("pk")
    found = list(due.select_related("learner", "lead")[:limit])
    for enrollment in found:
        if not hears_from_us(enrollment):
            continue
        for address in addresses_about(enrollment):
            notify(
                workspace_id=enrollment.workspace_id,
                kind=ENDS_SOON,
                recipient=address,
                subject_key=f"enrollment:{enrollment.pk}/ends/{days}",
                params={"enrollment": enrollment.pk, "days": days},
                now=now,
            )
    return [enrollment.pk for enrollment in found]


def due_to_remind(*, days: int, now: dt.datetime) -> QuerySet[Enrollment]:
    """Return the active enrollments whose end is near enough for this reminder but not for the next one, and whose
    family has not received it. Enrollments that began later than that are left out, because their family has just been
    told, and those that are left before that day, because their family knows an earlier one.
    """
    zone = "workspace__timezone"
    key = Concat(Value("enrollment:"), Cast("pk", CharField()), Value(f"/ends/{days}"), output_field=CharField())
    reminded = Notification.objects.filter(kind=ENDS_SOON, subject_key=OuterRef("reminder_key"))
    silent = WorkspaceLetter.objects.filter(kind=ENDS_SOON, is_on=False, workspace=OuterRef("workspace"))
    near = has_come(now=now + dt.timedelta(days=days), date="ends_on", zone=zone)
    nearer = [fewer for fewer in DAYS_BEFORE if fewer < days]
    passed = has_come(now=now + dt.timedelta(days=max(nearer)), date="ends_on", zone=zone) if nearer else Q(pk=None)
    began_before = Q(start_date=None) | Q(start_date__lt=F("ends_on") - dt.timedelta(days=days))
    coming = _staying().filter(near & ~passed & began_before)
    coming = coming.filter(is_not_over(now=now, date="ends_on", zone=zone))
    return coming.annotate(reminder_key=key).filter(~Exists(reminded), ~Exists(silent))


def _staying() -> QuerySet[Enrollment]:
    """Return the active enrollments that have an end, and no exit planned before it."""
    waiting = PlannedExit.objects.filter(enrollment=OuterRef("pk"), status=ExitStatus.PLANNED)
    return Enrollment.objects.ending().exclude(Exists(waiting.filter(effective_date__lte=OuterRef("ends_on"))))


def render_ends_soon(notification: Notification) -> Email | None:
    """Return None if it has ended in the meantime or will end earlier, or if the end was moved so far that nobody needs
    to be told yet.
    """
    reach = notification.created_at + dt.timedelta(days=int(notification.params["days"])) + SLACK
    near = has_come(now=reach, date="ends_on", zone="workspace__timezone")
    found = _staying().filter(near, pk=notification.params["enrollment"])
    found = found.select_related("learner", "lead", "instance__program", "instance__price", "workspace")
    enrollment = found.first()
    return write_ends_soon(enrollment) if enrollment and may_read(enrollment, notification) else None


register_email(ENDS_SOON, render_ends_soon)
