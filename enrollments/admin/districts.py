from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display
from unfold.enums import ActionVariant

from accounts.roles import Power
from backoffice.actions import StaffForm, staff_action, staff_list_action
from backoffice.display import (
    Card,
    Neighbor,
    capacity_bar,
    link_column,
    list_url,
    neighbor,
    neighbors_of,
    register_subject,
    status_badge,
)
from backoffice.scoping import ScopedRelatedFilter, WorkspaceScopedAdmin, access_of
from backoffice.timezones import TimezoneForm
from core.clock import utc_now
from core.forms import WholeNumberField

from ..models import District, DistrictSeatAllocation, EnrollmentDecision, ProgramInstance, SeatAssignment
from ..seats import MAX_SEATS, create_allocation, update_allocation
from ..states import HELD_SEATS

register_subject("seat", SeatAssignment)

DAY = forms.DateInput(attrs={"type": "date"})


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
    readonly_fields = ("created_at",)
    fields = ("workspace", ("name", "tenant_id"), ("external_id", "timezone"), "created_at")

    @display(description="time zone", ordering="timezone")
    def zone(self, district: District) -> str:
        return district.zone

    def get_readonly_fields(self, request: HttpRequest, obj: District | None = None) -> list[str]:
        """The district's portal knows it by this number for good."""
        return [*super().get_readonly_fields(request, obj), *(["tenant_id"] if obj else [])]


@neighbors_of(District)
def allocations_of_district(request: HttpRequest, district: District) -> Card:
    rows = [
        neighbor(
            allocation,
            title=allocation.instance or "Any program",
            note=f"{allocation.available_seats:,} of {allocation.total_seats:,} seats left",
        )
        for allocation in district.allocations.select_related("instance").order_by("id")[:20]
    ]
    return Card("Seats", rows, empty="No seats yet.")


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


class AllocationForm(StaffForm):
    district = forms.ModelChoiceField(queryset=District.objects.none())
    instance = forms.ModelChoiceField(
        queryset=ProgramInstance.objects.none(),
        required=False,
        empty_label="Any program",
        label="Program",
        help_text="Seats for one program are taken before general ones.",
    )
    total_seats = WholeNumberField(max_value=MAX_SEATS)
    valid_from = forms.DateField(required=False, widget=DAY)
    valid_until = forms.DateField(required=False, widget=DAY, help_text="The last day on which seats may be taken.")

    def prepare(self) -> None:
        access = access_of(self.request)
        for name, rows in (
            ("district", District.objects.order_by("name", "id")),
            ("instance", ProgramInstance.objects.order_by("-start_date", "name", "id")),
        ):
            bound = self.fields[name]
            assert isinstance(bound, forms.ModelChoiceField)
            bound.queryset = access.limit(rows, path="workspace", power=Power.MANAGE)


class SeatsForm(StaffForm):
    total_seats = WholeNumberField(max_value=MAX_SEATS)
    is_active = forms.BooleanField(required=False, label="Active", help_text="Inactive: no more seats are taken.")

    def prepare(self) -> None:
        self.initial.update(total_seats=self.row.total_seats, is_active=self.row.is_active)


@admin.register(DistrictSeatAllocation)
class AllocationAdmin(WorkspaceScopedAdmin):
    """Counters are changed by `seats.py` alone; staff change the total and switch an allocation on and off."""

    workspace_path = "district__workspace"
    ordering = ("district", "id")
    list_display = ("district", "program", "bar", "available", "is_active", "valid_from", "valid_until")
    list_filter = (
        ("district__workspace", ScopedRelatedFilter),
        ("district", ScopedRelatedFilter),
        "is_active",
        ("instance", ScopedRelatedFilter),
    )
    list_select_related = ("district__workspace", "instance")
    search_fields = ("district__name", "=district__tenant_id", "instance__name")
    search_help_text = "District, tenant id or program"
    fieldsets = (
        (None, {"fields": (("district_link", "program"), "bar", ("total_seats", "available"))}),
        ("Taken", {"fields": (("reserved_seats", "used_seats"),)}),
        ("When", {"fields": (("valid_from", "valid_until"), ("is_active", "updated_at"))}),
    )
    actions_list = ("add_seats",)
    actions_detail = ("change_seats",)
    district_link = link_column("district", "district")

    def describe(self, row: DistrictSeatAllocation) -> str:
        return f"{row.district}, {row.instance or 'any program'}"

    @display(description="program", ordering="instance__name")
    def program(self, allocation: DistrictSeatAllocation) -> str:
        return str(allocation.instance or "Any program")

    @display(description="seats taken")
    def bar(self, allocation: DistrictSeatAllocation) -> SafeString:
        return capacity_bar(
            firm=allocation.used_seats,
            pending=allocation.reserved_seats,
            total=allocation.total_seats,
            words=("used", "reserved"),
        )

    @display(description="left", ordering=models.F("total_seats") - models.F("reserved_seats") - models.F("used_seats"))
    def available(self, allocation: DistrictSeatAllocation) -> str:
        return f"{allocation.available_seats:,}"

    @staff_list_action(description="Add seats", power=Power.MANAGE, form=AllocationForm)
    def add_seats(self, request: HttpRequest, form: StaffForm) -> str:
        chosen = form.cleaned_data
        district = chosen["district"]
        instance = chosen["instance"]
        allocation = create_allocation(
            workspace_id=district.workspace_id,
            tenant_id=district.tenant_id,
            total_seats=chosen["total_seats"],
            instance_id=instance.pk if instance else None,
            valid_from=chosen["valid_from"],
            valid_until=chosen["valid_until"],
            now=utc_now(),
        )
        self.log_addition(request, allocation, "Created")
        return f"{district} has {allocation.total_seats:,} seats for {instance or 'any program'}."

    @staff_action(
        description="Change seats",
        power=Power.MANAGE,
        form=SeatsForm,
        icon="event_seat",
        variant=ActionVariant.PRIMARY,
        explanation="The total can't be lower than the seats reserved and used.",
    )
    def change_seats(self, request: HttpRequest, allocation: DistrictSeatAllocation, form: StaffForm) -> str:
        chosen = form.cleaned_data
        changed = update_allocation(
            allocation_id=allocation.pk, total_seats=chosen["total_seats"], is_active=chosen["is_active"], now=utc_now()
        )
        return f"{changed.district}: {changed.total_seats:,} seats, {changed.available_seats:,} left."


@neighbors_of(DistrictSeatAllocation)
def holders_of_allocation(request: HttpRequest, allocation: DistrictSeatAllocation) -> Card:
    held = allocation.seats.filter(status__in=HELD_SEATS).select_related("learner").order_by("-id")[:50]
    rows = [neighbor(seat, title=seat.learner, status="status", at=seat.used_at or seat.reserved_at) for seat in held]
    more = list_url(SeatAssignment, allocation__id__exact=allocation.pk)
    return Card("Who holds the seats", rows, empty="All seats are free.", more_url=more if rows else "", wide=True)


@admin.register(SeatAssignment)
class SeatAssignmentAdmin(WorkspaceScopedAdmin):
    workspace_path = "allocation__district__workspace"
    list_display = ("id", "district", "learner_link", "status_badge", "reserved_at", "used_at", "released_at")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("allocation__district__workspace", ScopedRelatedFilter),
        ("allocation__district", ScopedRelatedFilter),
        ("allocation", ScopedRelatedFilter),
        "reserved_at",
    )
    list_select_related = ("allocation__district", "learner")
    search_fields = ("=id", "=enrollment__cuid", "learner__email__istartswith", "learner__last_name__istartswith")
    search_help_text = "Seat number, enrollment's CUID, learner's email or last name"
    date_hierarchy = "reserved_at"
    fieldsets = (
        (None, {"fields": (("status_badge", "allocation_link"), ("learner_link", "enrollment_link"))}),
        ("Times", {"fields": (("reserved_at", "used_at"), ("released_at", "release_reason"))}),
    )
    status_badge = status_badge("status")
    allocation_link = link_column("allocation", "allocation")
    learner_link = link_column("learner", "learner")
    enrollment_link = link_column("enrollment", "enrollment")

    @display(description="district", ordering="allocation__district__name")
    def district(self, seat: SeatAssignment) -> str:
        return seat.allocation.district.name


@neighbors_of(SeatAssignment)
def decisions_of_seat(request: HttpRequest, seat: SeatAssignment) -> Card:
    rows: list[Neighbor] = [
        neighbor(decision, status="status", at=decision.created_at) for decision in seat.decisions.order_by("-id")[:10]
    ]
    return Card("Decisions", rows)
