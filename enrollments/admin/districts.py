"""Districts, with the seats they provide and the latest decisions about their learners."""

from typing import Any

from django.contrib import admin
from django.db.models import F
from django.http import HttpRequest
from unfold.decorators import display

from accounts.roles import Power
from backoffice.display import Card, Neighbor, admin_url, list_url, neighbor, neighbors_of
from backoffice.scoping import ScopedRelatedFilter, WorkspaceScopedAdmin
from backoffice.timezones import TimezoneForm
from core.clock import utc_now

from ..allocations.forecast import forecast_seats
from ..models import District, DistrictSeatAllocation, EnrollmentDecision
from .standings import standing_badge

ALLOCATIONS_SHOWN = 20


@admin.register(District)
class DistrictAdmin(WorkspaceScopedAdmin):
    add_power = Power.MANAGE
    change_power = Power.MANAGE
    form = TimezoneForm
    ordering = ("name", "id")
    list_display = ("name", "tenant_id", "zone", "workspace", "created_at")
    list_filter = (("workspace", ScopedRelatedFilter),)
    list_select_related = ("workspace",)
    search_fields = ("name", "=tenant_id", "=external_id")
    search_help_text = "Name, tenant id or external id"
    readonly_fields = ("contact_stopped_at", "created_at")
    fields = (
        "workspace",
        ("name", "tenant_id"),
        ("external_id", "timezone"),
        ("contact_email", "contact_language"),
        ("contact_stopped_at", "created_at"),
    )

    @display(description="time zone", ordering="timezone")
    def zone(self, district: District) -> str:
        return district.zone

    def save_model(self, request: HttpRequest, obj: District, form: Any, change: bool) -> None:
        """A new contact starts out receiving mails, even if the previous contact had stopped them."""
        if "contact_email" in form.changed_data:
            obj.contact_stopped_at = None
        super().save_model(request, obj, form, change)

    def get_readonly_fields(self, request: HttpRequest, obj: District | None = None) -> list[str]:
        """The tenant id is read-only once set: the district's portal identifies the district by it permanently."""
        return [*super().get_readonly_fields(request, obj), *(["tenant_id"] if obj else [])]


@neighbors_of(District)
def allocations_of_district(request: HttpRequest, district: District) -> Card:
    now = utc_now()
    newest = district.allocations.select_related("district__workspace", "instance")
    newest = newest.order_by(F("valid_until").desc(nulls_first=True), "-id")
    shown = list(newest[:ALLOCATIONS_SHOWN])
    forecasts = forecast_seats(shown, now=now)
    rows = [
        Neighbor(
            url=admin_url(allocation),
            title=f"{allocation.instance or 'Any program'}{f', {allocation.term}' if allocation.term else ''}",
            note=f"{allocation.used_seats:,} used, {allocation.reserved_seats:,} reserved, "
            f"{allocation.available_seats:,} left of {allocation.total_seats:,}"
            f"{f'. {forecasts[allocation.pk]}' if allocation.available_seats else ''}",
            badge=standing_badge(allocation, now),
        )
        for allocation in shown
    ]
    more = list_url(DistrictSeatAllocation, district__id__exact=district.pk)
    return Card("Seats", rows, empty="No seats yet.", more_url=more if rows else "", wide=True)


@neighbors_of(District)
def decisions_of_district(request: HttpRequest, district: District) -> Card:
    rows = [
        neighbor(
            decision,
            title=decision.learner,
            status="status",
            note=decision.get_reason_display(),
            at=decision.created_at,
        )
        for decision in district.decisions.select_related("learner").order_by("-id")[:8]
    ]
    more = list_url(EnrollmentDecision, district__id__exact=district.pk)
    return Card("Latest decisions", rows, empty="None yet.", more_url=more if rows else "")
