"""Mails to staff about an allocation's use: at 75, 90 and 100 percent, and when its seats lie idle.

Each is sent once, and again after the total has changed: a mail's key names allocation, total and threshold.
"""

import datetime as dt
from collections.abc import Iterator

from django.conf import settings
from django.db.models import F, Max, Q, QuerySet
from django.urls import reverse

from accounts.models import Membership
from accounts.roles import POWERS, Power
from core.local_time import to_instant
from notifications.letters import Email, register_email
from notifications.models import Notification
from notifications.sending import notify
from notifications.wording import Placeholder, Wording, register_wording, write_letter

from ..models import DistrictSeatAllocation

SEATS_TAKEN = "seats_taken"
SEATS_IDLE = "seats_idle"
THRESHOLDS = (100, 90, 75)  # percent of the total
IDLE_AFTER = dt.timedelta(days=30)
_READERS = [role for role, powers in POWERS.items() if Power.MANAGE in powers]
_PLACEHOLDERS = (
    Placeholder("seats", "the district, and what the seats are for", "Riverside Unified, any program, Fall 2026"),
    Placeholder("taken", "how many are taken", "90"),
    Placeholder("total", "how many there are", "100"),
    Placeholder("left", "how many are left", "10"),
    Placeholder("workspace", "your organization", "Riverside Academy"),
    Placeholder("link", "the address of these seats", "https://enroll.example.org/admin/"),
)

register_wording(Wording(SEATS_TAKEN, "Staff: seats are running out", "enrollments/seats_taken", _PLACEHOLDERS))
register_wording(Wording(SEATS_IDLE, "Staff: seats lie idle", "enrollments/seats_idle", _PLACEHOLDERS))


def write_about_seats(*, now: dt.datetime) -> int:
    """Write to whoever manages seats about what has come to a threshold or lies idle; returns how many mails that
    were."""
    readers = _Readers()
    written = 0
    for allocation, kind, key in _worth_a_mail(now):
        for membership_id, address in readers.of(allocation.district.workspace_id):
            written += notify(
                workspace_id=allocation.district.workspace_id,
                kind=kind,
                recipient=address,
                subject_key=f"allocation:{allocation.pk}/{allocation.total_seats}/{key}",
                params={"allocation": allocation.pk, "membership": membership_id, "key": key},
                now=now,
            )
    return written


def _worth_a_mail(now: dt.datetime) -> Iterator[tuple[DistrictSeatAllocation, str, str]]:
    """Allocations that are open, each with the kind of its mail and what it is about: a threshold, or `idle`."""
    begun = DistrictSeatAllocation.objects.filter(is_active=True, total_seats__gt=0)
    rows = begun.select_related("district__workspace").order_by("id")
    well_used = Q(reserved_seats__gte=F("total_seats") * THRESHOLDS[-1] / 100 - F("used_seats"))
    for allocation in rows.filter(well_used).iterator():
        if allocation.is_open(now) and (reached := threshold_of(allocation)):
            yield allocation, SEATS_TAKEN, str(reached)
    for quiet in _quiet(rows, now):
        if is_idle(quiet, now):
            yield quiet, SEATS_IDLE, "idle"


def threshold_of(allocation: DistrictSeatAllocation) -> int | None:
    """The highest threshold that its use has come to."""
    taken = allocation.reserved_seats + allocation.used_seats
    reached = (percent for percent in THRESHOLDS if taken * 100 >= percent * allocation.total_seats)
    return next(reached, None)


def is_idle(allocation: DistrictSeatAllocation, now: dt.datetime) -> bool:
    """Open for long enough, with seats left, none of which was taken meanwhile. The row knows when `last_taken`."""
    last_taken: dt.datetime | None = allocation.last_taken  # type: ignore[attr-defined]  # comes with the row
    begins = allocation.created_at
    if allocation.valid_from is not None:
        begins = max(begins, to_instant(date=allocation.valid_from, time=dt.time(), zone=allocation.zone).at)
    quiet_since = max(begins, last_taken or begins)
    return allocation.is_open(now) and allocation.available_seats > 0 and quiet_since <= now - IDLE_AFTER


def _quiet(rows: QuerySet[DistrictSeatAllocation], now: dt.datetime) -> QuerySet[DistrictSeatAllocation]:
    known = rows.annotate(last_taken=Max("seats__reserved_at"))
    silent = Q(last_taken__isnull=True) | Q(last_taken__lte=now - IDLE_AFTER)
    return known.filter(silent, created_at__lte=now - IDLE_AFTER)


class _Readers:
    """Who is written to in each workspace, looked up once."""

    def __init__(self) -> None:
        self._known: dict[int, list[tuple[int, str]]] = {}

    def of(self, workspace_id: int) -> list[tuple[int, str]]:
        if workspace_id not in self._known:
            members = Membership.objects.filter(workspace=workspace_id, role__in=_READERS, user__is_active=True)
            self._known[workspace_id] = list(members.order_by("pk").values_list("pk", "user__email"))
        return self._known[workspace_id]


def render_seat_mail(notification: Notification) -> Email | None:
    """None if it is not so any more, or if the person no longer manages seats here."""
    member = Membership.objects.filter(pk=notification.params["membership"], role__in=_READERS)
    rows = DistrictSeatAllocation.objects.select_related("district__workspace", "instance")
    allocation = rows.annotate(last_taken=Max("seats__reserved_at")).get(pk=notification.params["allocation"])
    key = notification.params["key"]
    still = is_idle(allocation, notification.created_at) if key == "idle" else str(threshold_of(allocation)) == key
    if not (still and member.exists()):
        return None
    named = f"{allocation.district}, {allocation.instance or 'any program'}"
    path = reverse("admin:enrollments_districtseatallocation_change", args=[allocation.pk])
    values = {
        "seats": f"{named}, {allocation.term}" if allocation.term else named,
        "taken": f"{allocation.total_seats - allocation.available_seats:,}",
        "total": f"{allocation.total_seats:,}",
        "left": f"{allocation.available_seats:,}",
        "workspace": notification.workspace.name,
        "link": f"{settings.PUBLIC_URL}{path}",
    }
    return write_letter(kind=notification.kind, workspace_id=notification.workspace_id, values=values)


register_email(SEATS_TAKEN, render_seat_mail)
register_email(SEATS_IDLE, render_seat_mail)
