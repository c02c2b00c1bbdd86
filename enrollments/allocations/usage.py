"""Mails to staff and to the district's contact about an allocation's use: at 75, 90, and 100 percent, when its seats
are idle, and how many were taken back on a day.

Each is sent once, and again after the total has changed: a mail's key names allocation, total, and threshold or day.
"""

import datetime as dt
from collections.abc import Iterator

from django.conf import settings
from django.db.models import F, Max, Q, QuerySet
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from accounts.models import Membership
from accounts.roles import POWERS, Power
from core.local_time import local_date, to_instant
from core.time_words import plain_day
from notifications.letters import Email, register_email
from notifications.models import Notification
from notifications.sending import notify
from notifications.wording import Placeholder, Wording, register_wording, write_letter

from ..models import DistrictSeatAllocation, IdleSeat
from ..states import IdleSeatStatus
from .contact import hears_of_seats, stop_url
from .idle.reclaiming import sum_up_savings

SEATS_TAKEN = "seats_taken"
SEATS_IDLE = "seats_idle"
SEATS_RECLAIMED = "seats_reclaimed"
# The same mails for the district's contact, who has no access to the back office.
TO_CONTACT = {
    SEATS_TAKEN: "district_seats_taken",
    SEATS_IDLE: "district_seats_idle",
    SEATS_RECLAIMED: "district_seats_reclaimed",
}
THRESHOLDS = (100, 90, 75)  # percent of the total
IDLE_AFTER = dt.timedelta(days=30)
_READERS = [role for role, powers in POWERS.items() if Power.MANAGE in powers]
_TO_ALL = (
    Placeholder("seats", "the district, and what the seats are for", "Riverside Unified, any program, Fall 2026"),
    Placeholder("taken", "how many are taken", "90"),
    Placeholder("total", "how many there are", "100"),
    Placeholder("left", "how many are left", "10"),
    Placeholder("workspace", "your organization", "Riverside Academy"),
)
_LINK = Placeholder("link", "the address of these seats", "https://enroll.example.org/admin/")
_SAVINGS = (
    Placeholder("reclaimed", "how many were taken back", "3"),
    Placeholder("passed_on", "how many of them others have", "2"),
    Placeholder("worth", "what they cost the district, where that is known", "75.00 USD"),
    Placeholder("day", "the day", "September 9, 2026"),
)

for _wording in (
    Wording(SEATS_TAKEN, "Staff: seats are running out", "enrollments/seats_taken", (*_TO_ALL, _LINK)),
    Wording(SEATS_IDLE, "Staff: seats lie idle", "enrollments/seats_idle", (*_TO_ALL, _LINK)),
    Wording(
        SEATS_RECLAIMED, "Staff: idle seats taken back", "enrollments/seats_reclaimed", (*_TO_ALL, *_SAVINGS, _LINK)
    ),
    Wording(TO_CONTACT[SEATS_TAKEN], "District: seats are running out", "enrollments/district_seats_taken", _TO_ALL),
    Wording(TO_CONTACT[SEATS_IDLE], "District: seats lie idle", "enrollments/district_seats_idle", _TO_ALL),
    Wording(
        TO_CONTACT[SEATS_RECLAIMED],
        "District: idle seats taken back",
        "enrollments/district_seats_reclaimed",
        (*_TO_ALL, *_SAVINGS),
    ),
):
    register_wording(_wording)


def write_about_seats(*, now: dt.datetime) -> int:
    """Write to staff who manage seats and to the districts' contacts about allocations that reached a threshold, are
    idle, or had seats taken back yesterday; returns how many mails were written.
    """
    readers = _Readers()
    written = 0
    for allocation, kind, key in _worth_a_mail(now):
        about = f"allocation:{allocation.pk}/{allocation.total_seats}/{key}"
        district = allocation.district
        if hears_of_seats(district):
            written += notify(
                workspace_id=district.workspace_id,
                kind=TO_CONTACT[kind],
                recipient=district.contact_email,
                subject_key=about,
                params={"allocation": allocation.pk, "key": key},
                now=now,
            )
        for membership_id, address in readers.of(allocation.district.workspace_id):
            written += notify(
                workspace_id=allocation.district.workspace_id,
                kind=kind,
                recipient=address,
                subject_key=about,
                params={"allocation": allocation.pk, "membership": membership_id, "key": key},
                now=now,
            )
    return written


def _worth_a_mail(now: dt.datetime) -> Iterator[tuple[DistrictSeatAllocation, str, str]]:
    """Yield open allocations, each with the kind of its mail and what it is about: a threshold, or `idle`."""
    begun = DistrictSeatAllocation.objects.filter(is_active=True, total_seats__gt=0)
    rows = begun.select_related("district__workspace").order_by("id")
    well_used = Q(reserved_seats__gte=F("total_seats") * THRESHOLDS[-1] / 100 - F("used_seats"))
    for allocation in rows.filter(well_used).iterator():
        if allocation.is_open(now) and (reached := threshold_of(allocation)):
            yield allocation, SEATS_TAKEN, str(reached)
    for quiet in _quiet(rows, now):
        if is_idle(quiet, now):
            yield quiet, SEATS_IDLE, "idle"
    for allocation in rows.filter(pk__in=_reclaimed_lately(now).values("seat__allocation")):
        yesterday = local_date(now, allocation.zone) - dt.timedelta(days=1)
        if reclaimed_on(allocation, yesterday).exists():
            yield allocation, SEATS_RECLAIMED, yesterday.isoformat()


def reclaimed_on(allocation: DistrictSeatAllocation, date: dt.date) -> QuerySet[IdleSeat]:
    """Return the allocation's seats that were taken back on a day in its district."""
    begins, ends = (
        to_instant(date=each, time=dt.time(), zone=allocation.zone).at for each in (date, date + dt.timedelta(days=1))
    )
    return IdleSeat.objects.filter(
        status=IdleSeatStatus.RECLAIMED, seat__allocation=allocation, settled_at__gte=begins, settled_at__lt=ends
    )


def _reclaimed_lately(now: dt.datetime) -> QuerySet[IdleSeat]:
    return IdleSeat.objects.filter(status=IdleSeatStatus.RECLAIMED, settled_at__gte=now - dt.timedelta(days=3))


def threshold_of(allocation: DistrictSeatAllocation) -> int | None:
    """Return the highest threshold that the allocation's use has reached."""
    taken = allocation.reserved_seats + allocation.used_seats
    reached = (percent for percent in THRESHOLDS if taken * 100 >= percent * allocation.total_seats)
    return next(reached, None)


def is_idle(allocation: DistrictSeatAllocation, now: dt.datetime) -> bool:
    """Return whether it has been open long enough with seats left and none taken. The row carries `last_taken`."""
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
    """The recipients in each workspace, looked up once."""

    def __init__(self) -> None:
        self._known: dict[int, list[tuple[int, str]]] = {}

    def of(self, workspace_id: int) -> list[tuple[int, str]]:
        if workspace_id not in self._known:
            members = Membership.objects.filter(workspace=workspace_id, role__in=_READERS, user__is_active=True)
            self._known[workspace_id] = list(members.order_by("pk").values_list("pk", "user__email"))
        return self._known[workspace_id]


def render_to_staff(notification: Notification) -> Email | None:
    """Return None if this is no longer true, or if the person no longer manages seats here."""
    member = Membership.objects.filter(pk=notification.params["membership"], role__in=_READERS)
    allocation = _find(notification)
    if not (_is_so_still(allocation, notification) and member.exists()):
        return None
    path = reverse("admin:enrollments_districtseatallocation_change", args=[allocation.pk])
    values = {**_values(allocation, notification), "link": f"{settings.PUBLIC_URL}{path}"}
    return write_letter(kind=notification.kind, workspace_id=notification.workspace_id, values=values)


def render_to_contact(notification: Notification) -> Email | None:
    """Return None if this is no longer true, or if the contact was replaced or has stopped these mails."""
    allocation = _find(notification)
    district = allocation.district
    is_theirs = hears_of_seats(district) and district.contact_email == notification.recipient
    if not (is_theirs and _is_so_still(allocation, notification)):
        return None
    with translation.override(district.contact_language or translation.get_language()):
        return write_letter(
            kind=notification.kind,
            workspace_id=notification.workspace_id,
            values=_values(allocation, notification),
            stop_url=stop_url(district),
        )


def _find(notification: Notification) -> DistrictSeatAllocation:
    rows = DistrictSeatAllocation.objects.select_related("district__workspace", "instance")
    return rows.annotate(last_taken=Max("seats__reserved_at")).get(pk=notification.params["allocation"])


def _is_so_still(allocation: DistrictSeatAllocation, notification: Notification) -> bool:
    key = str(notification.params["key"])
    if notification.kind in (SEATS_RECLAIMED, TO_CONTACT[SEATS_RECLAIMED]):
        return True
    if key == "idle":
        return is_idle(allocation, notification.created_at)
    return str(threshold_of(allocation)) == key


def _values(allocation: DistrictSeatAllocation, notification: Notification) -> dict[str, str]:
    about = str(allocation.instance) if allocation.instance else _("any program")
    named = f"{allocation.district}, {about}"
    values = {
        "seats": f"{named}, {allocation.term}" if allocation.term else named,
        "taken": f"{allocation.total_seats - allocation.available_seats:,}",
        "total": f"{allocation.total_seats:,}",
        "left": f"{allocation.available_seats:,}",
        "workspace": notification.workspace.name,
    }
    if notification.kind in (SEATS_RECLAIMED, TO_CONTACT[SEATS_RECLAIMED]):
        date = dt.date.fromisoformat(str(notification.params["key"]))
        savings = sum_up_savings(reclaimed_on(allocation, date))
        values |= {
            "reclaimed": f"{savings.seats:,}",
            "passed_on": f"{savings.passed_on:,}",
            "worth": ", ".join(map(str, savings.worth)) or "–",
            "day": plain_day(date),
        }
    return values


for _kind, _to_contact in TO_CONTACT.items():
    register_email(_kind, render_to_staff)
    register_email(_to_contact, render_to_contact)
