"""The seats that districts have bought for certain programs and days: their totals, and the seats for the next term."""

from typing import Any

from django.contrib import admin, messages
from django.db import models
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.enums import ActionVariant

from accounts.roles import Power
from backoffice.actions import StaffForm, in_bulk, staff_action, staff_list_action
from backoffice.actors import actor_column, name_actors
from backoffice.display import (
    NOTHING,
    Card,
    Neighbor,
    capacity_bar,
    link_column,
    list_url,
    neighbor,
    neighbors_of,
    register_subject,
)
from backoffice.scoping import ScopedRelatedFilter, WorkspaceScopedAdmin, access_of, actor_of
from core.clock import utc_now
from core.numbers import counted

from ..allocations.forecast import forecast_seats
from ..allocations.idle.finding import set_idle_rule
from ..allocations.renewal import renew_allocation
from ..allocations.roster import assign_roster
from ..models import AllocationChange, DistrictSeatAllocation, SeatAssignment
from ..seats import create_allocation, update_allocation
from ..states import HELD_SEATS
from .allocation_forms import (
    FAULTS_SHOWN,
    AllocationForm,
    IdleRuleForm,
    RenewalForm,
    RosterForm,
    SeatsForm,
    foresee_idle_rule,
    foresee_renewal,
    foresee_roster,
    foresee_seats_added,
    foresee_total,
)
from .bulk_previews import foresee_renewals
from .standings import standing_badge

register_subject("allocation", DistrictSeatAllocation)


def can_be_renewed(allocation: DistrictSeatAllocation) -> bool:
    """Return whether it has not been renewed yet; the list's query annotates its rows with this."""
    known: bool | None = getattr(allocation, "is_renewed", None)
    return not (allocation.renewals.exists() if known is None else known)


@admin.register(DistrictSeatAllocation)
class AllocationAdmin(WorkspaceScopedAdmin):
    """Only `seats.py` changes the counters; staff change the total and switch an allocation on and off."""

    workspace_path = "district__workspace"
    ordering = ("district", "id")
    list_display = ("district", "program", "term", "bar", "available", "standing", "valid_from", "valid_until")
    list_filter = (
        ("district__workspace", ScopedRelatedFilter),
        ("district", ScopedRelatedFilter),
        "is_active",
        ("instance", ScopedRelatedFilter),
        "valid_until",
    )
    list_select_related = ("district__workspace", "instance__program")
    search_fields = ("district__name", "=district__tenant_id", "instance__name", "term")
    search_help_text = "District, tenant id, program or term"
    fieldsets = (
        (None, {"fields": (("district_link", "program"), ("term", "seat_price"), "bar", ("total_seats", "available"))}),
        ("Taken", {"fields": (("reserved_seats", "used_seats"), ("idle_days", "grace_days"))}),
        ("When", {"fields": (("valid_from", "valid_until"), ("standing", "forecast"), ("renewed_link", "updated_at"))}),
    )
    actions = ("renew_selected",)
    actions_list = ("add_seats",)
    actions_detail = ("change_seats", "assign", "renew", "idle_rule")
    district_link = link_column("district", "district")
    renewed_link = link_column("renewed_from", "renewed from")

    def get_queryset(self, request: HttpRequest) -> models.QuerySet[Any]:
        next_ones = DistrictSeatAllocation.objects.filter(renewed_from=models.OuterRef("pk"))
        rows: models.QuerySet[Any] = super().get_queryset(request)
        rows = rows.annotate(is_renewed=models.Exists(next_ones))
        return rows

    def describe(self, row: DistrictSeatAllocation) -> str:
        named = f"{row.district}, {row.instance or 'any program'}"
        return f"{named}, {row.term}" if row.term else named

    @display(description="standing")
    def standing(self, allocation: DistrictSeatAllocation) -> SafeString:
        return standing_badge(allocation, utc_now())

    @display(description="forecast")
    def forecast(self, allocation: DistrictSeatAllocation) -> str:
        return str(forecast_seats([allocation], now=utc_now())[allocation.pk])

    @display(description="price of a seat")
    def seat_price(self, allocation: DistrictSeatAllocation) -> str:
        return str(allocation.seat_price or NOTHING)

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

    @staff_list_action(
        description="Add seats",
        power=Power.MANAGE,
        form=AllocationForm,
        preview=foresee_seats_added,
        explanation=(
            "From now on, learners of the district get these seats instead of a payment "
            "page, as long as seats and days are left. Earlier enrollments are not moved."
        ),
    )
    def add_seats(self, request: HttpRequest, form: AllocationForm) -> str:
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
            term=chosen["term"],
            seat_price=form.price_of_seat(),
            now=utc_now(),
        )
        self.log_addition(request, allocation, "Created")
        return f"{district} has {counted(allocation.total_seats, 'seat')} for {instance or 'any program'}."

    @staff_action(
        description="Change seats",
        power=Power.MANAGE,
        form=SeatsForm,
        preview=foresee_total,
        icon="event_seat",
        variant=ActionVariant.PRIMARY,
        explanation="The total can't be lower than the seats reserved and used.",
    )
    def change_seats(self, request: HttpRequest, allocation: DistrictSeatAllocation, form: StaffForm) -> str:
        chosen = form.cleaned_data
        changed = update_allocation(
            allocation_id=allocation.pk,
            total_seats=chosen["total_seats"],
            is_active=chosen["is_active"],
            actor=actor_of(request),
            reason=chosen["note"],
            now=utc_now(),
        )
        return f"{changed.district}: {counted(changed.total_seats, 'seat')}, {changed.available_seats:,} left."

    @staff_action(
        description="Idle seats",
        power=Power.MANAGE,
        form=IdleRuleForm,
        preview=foresee_idle_rule,
        icon="bedtime",
        explanation="Unused seats go to learners who are waiting. Families are asked first.",
    )
    def idle_rule(self, request: HttpRequest, allocation: DistrictSeatAllocation, form: StaffForm) -> str:
        chosen = form.cleaned_data
        changed = set_idle_rule(
            allocation_id=allocation.pk,
            idle_days=chosen["idle_days"],
            grace_days=chosen["grace_days"],
            now=utc_now(),
        )
        return (
            f"{changed}: idle after {counted(changed.idle_days, 'day')}."
            if changed.idle_days
            else f"{changed}: nobody is asked."
        )

    @staff_action(
        description="Renew for next term",
        power=Power.MANAGE,
        form=RenewalForm,
        possible=can_be_renewed,
        preview=foresee_renewal,
        icon="event_repeat",
        explanation="Creates the seats of the next term from these, which stay as they are.",
    )
    def renew(self, request: HttpRequest, allocation: DistrictSeatAllocation, form: StaffForm) -> str:
        chosen = form.cleaned_data
        made = renew_allocation(
            allocation_id=allocation.pk,
            term=chosen["term"],
            valid_from=chosen["valid_from"],
            valid_until=chosen["valid_until"],
            total_seats=chosen["total_seats"],
            now=utc_now(),
        )
        return f"{made}: {counted(made.total_seats, 'seat')}."

    @staff_action(
        description="Assign to a list",
        power=Power.MANAGE,
        form=RosterForm,
        possible=lambda row: row.is_open(utc_now()),
        preview=foresee_roster,
        icon="group_add",
        explanation=(
            "Enrolls each learner of the list with one of these seats, as a request would. You see a trial run first."
        ),
    )
    def assign(self, request: HttpRequest, allocation: DistrictSeatAllocation, form: StaffForm) -> str:
        chosen = form.cleaned_data
        done = assign_roster(
            allocation_id=allocation.pk,
            instance_id=chosen["instance"].pk,
            text=chosen["roster"],
            actor=actor_of(request),
            now=utc_now(),
        )
        faults = [line for line in done if line.fault]
        for line in faults[:FAULTS_SHOWN]:
            messages.warning(request, f"Line {line.number} {line.name}: {line.fault}")
        return f"{len(done) - len(faults):,} of {len(done):,} have a seat."

    renew_selected = in_bulk(
        renew,
        description="Renew for next term",
        explanation="Makes the seats of the next term from these allocations, which stay as they are.",
        preview=foresee_renewals,
    )


@neighbors_of(DistrictSeatAllocation)
def holders_of_allocation(request: HttpRequest, allocation: DistrictSeatAllocation) -> Card:
    held = allocation.seats.filter(status__in=HELD_SEATS).select_related("learner").order_by("-id")[:50]
    rows = [neighbor(seat, title=seat.learner, status="status", at=seat.used_at or seat.reserved_at) for seat in held]
    more = list_url(SeatAssignment, allocation__id__exact=allocation.pk)
    return Card("Who holds the seats", rows, empty="All seats are free.", more_url=more if rows else "", wide=True)


@neighbors_of(DistrictSeatAllocation)
def changes_of_allocation(request: HttpRequest, allocation: DistrictSeatAllocation) -> Card:
    changes = list(allocation.changes.order_by("-id")[:20])
    names = name_actors(access_of(request), {change.actor for change in changes})
    rows = [
        Neighbor(
            title=describe_change(change),
            note=f"{names[change.actor]}{f': {change.reason}' if change.reason else ''}",
            at=change.created_at,
        )
        for change in changes
    ]
    return Card("Changes of the total", rows, empty="It has not been changed.")


@admin.register(AllocationChange)
class AllocationChangeAdmin(WorkspaceScopedAdmin):
    """Read-only: `seats.py` writes a row with each change."""

    workspace_path = "allocation__district__workspace"
    actor_fields = ("actor",)
    list_display = ("allocation", "what", "reason", "by", "created_at")
    list_filter = (
        ("allocation__district__workspace", ScopedRelatedFilter),
        ("allocation__district", ScopedRelatedFilter),
        "created_at",
    )
    list_select_related = ("allocation__district",)
    search_fields = ("allocation__district__name", "reason")
    search_help_text = "District or reason"
    fields = ("allocation_link", "what", "reason", ("by", "created_at"))
    allocation_link = link_column("allocation", "allocation")
    by = actor_column("actor")

    @display(description="change")
    def what(self, change: AllocationChange) -> str:
        return describe_change(change)


def describe_change(change: AllocationChange) -> str:
    """Describe what changed: the total, whether seats may be taken, or both."""
    told = []
    if change.total_before != change.total_after:
        told.append(f"{change.total_before:,} to {counted(change.total_after, 'seat')}")
    if change.was_active != change.is_active:
        told.append("switched on" if change.is_active else "switched off")
    return ", ".join(told)
