"""What districts have bought: seats for certain programs and days, their totals, and those of the next term."""

from django import forms
from django.contrib import admin, messages
from django.db import models
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.enums import ActionVariant

from accounts.roles import Power
from backoffice.actions import RequiredNoteForm, StaffForm, in_bulk, staff_action, staff_list_action
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
)
from backoffice.money import MoneyField
from backoffice.previews import Preview
from backoffice.scoping import ScopedRelatedFilter, WorkspaceScopedAdmin, access_of, actor_of
from core.clock import utc_now
from core.currencies import CURRENCIES
from core.forms import WholeNumberField
from core.money import Money
from core.time_words import day

from ..allocations.forecast import forecast_seats
from ..allocations.idle.finding import GRACE_DAYS, IDLE_DAYS, find_idle, set_idle_rule
from ..allocations.idle.reclaiming import list_waiting
from ..allocations.renewal import RenewalPlan, plan_renewal, renew_allocation
from ..allocations.roster import COLUMNS, MOST_LINES, assign_roster, try_roster
from ..consequences import tell_seats_added, tell_total
from ..models import AllocationChange, District, DistrictSeatAllocation, ProgramInstance, SeatAssignment
from ..seats import MAX_SEATS, check_days, check_total_covers, create_allocation, update_allocation
from ..states import HELD_SEATS
from .standings import standing_badge

FAULTS_SHOWN = 20
DAY = forms.DateInput(attrs={"type": "date"})


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
    term = forms.CharField(
        max_length=80,
        required=False,
        help_text="Fall 2026, for example: what tells these seats from the district's others. Empty: their days.",
    )
    valid_from = forms.DateField(required=False, widget=DAY)
    valid_until = forms.DateField(required=False, widget=DAY, help_text="The last day on which seats may be taken.")
    seat_price = MoneyField(
        required=False, label="Price of a seat", help_text="What the district pays for one, if it is known."
    )
    currency = forms.ChoiceField(
        choices=[(code, code.upper()) for code in sorted(CURRENCIES)], initial="usd", required=False
    )

    def prepare(self) -> None:
        access = access_of(self.request)
        for name, rows in (
            ("district", District.objects.order_by("name", "id")),
            ("instance", ProgramInstance.objects.order_by("-start_date", "name", "id")),
        ):
            bound = self.fields[name]
            assert isinstance(bound, forms.ModelChoiceField)
            bound.queryset = access.limit(rows, path="workspace", power=Power.MANAGE)
        price = self.fields["seat_price"]
        assert isinstance(price, MoneyField)
        told = str(self.data.get("currency") or "")
        price.currency = told if told in CURRENCIES else "usd"

    def price_of_seat(self) -> Money | None:
        told = self.cleaned_data
        return Money(told["seat_price"], told["currency"] or "usd") if told["seat_price"] else None


def foresee_seats_added(_: None, form: AllocationForm) -> Preview:
    """How many they are, and what they cost."""
    told = form.cleaned_data
    check_days(told["valid_from"], told["valid_until"])
    sentences = tell_seats_added(
        told["district"],
        instance=told["instance"],
        total_seats=told["total_seats"],
        seat_price=form.price_of_seat(),
    )
    return Preview(tuple(sentences))


class SeatsForm(RequiredNoteForm):
    total_seats = WholeNumberField(max_value=MAX_SEATS)
    is_active = forms.BooleanField(required=False, label="Active", help_text="Inactive: no more seats are taken.")
    field_order = ("total_seats", "is_active", "note")

    def prepare(self) -> None:
        super().prepare()
        self.initial.update(total_seats=self.row.total_seats, is_active=self.row.is_active)


def foresee_total(allocation: DistrictSeatAllocation, form: StaffForm) -> Preview:
    """How many are left then, and who waits for one. Raises AllocationBelowUse."""
    total = form.cleaned_data["total_seats"]
    check_total_covers(allocation, total)
    sentences = tell_total(allocation, total_seats=total, is_active=form.cleaned_data["is_active"])
    if waiting := len(list_waiting(allocation, utc_now())):
        sentences.append(f"Learners who were turned away, and may get one when they ask again: {waiting:,}.")
    return Preview(tuple(sentences))


class IdleRuleForm(StaffForm):
    idle_days = WholeNumberField(
        required=False,
        min_value=IDLE_DAYS[0],
        max_value=IDLE_DAYS[1],
        label="Idle after days",
        help_text="Families of whom nobody signed in, learned at a partner, or booked or attended a session for so "
        "long are asked whether they still come. Empty: nobody is asked.",
    )
    grace_days = WholeNumberField(
        min_value=GRACE_DAYS[0],
        max_value=GRACE_DAYS[1],
        label="Days to answer",
        help_text="Then the seat is taken back.",
    )

    def prepare(self) -> None:
        self.initial.update(idle_days=self.row.idle_days, grace_days=self.row.grace_days)


def foresee_idle_rule(allocation: DistrictSeatAllocation, form: StaffForm) -> Preview:
    """How many would be asked today."""
    days = form.cleaned_data["idle_days"]
    if days is None:
        return Preview(("Nobody is asked from now on. Whoever was asked before keeps the seat.",))
    found = [idle for batch in find_idle(allocation=allocation, idle_days=days, now=utc_now()) for idle in batch]
    silent = sum(not idle.readers for idle in found)
    waiting = len(list_waiting(allocation, utc_now()))
    sentences = [
        f"Families to be asked within six hours: {len(found) - silent:,}. More follow as their seats lie idle."
    ]
    sentences += [f"Families without an address, who keep their seats: {silent:,}."] if silent else []
    sentences.append(f"Learners who wait for a seat: {waiting:,}.")
    return Preview(
        tuple(sentences), mails="Each family is asked once, in its language, and has a link to keep the seat."
    )


class RenewalForm(StaffForm):
    """The next term of one allocation, or of several alike."""

    term = forms.CharField(max_length=80, required=False, help_text="Spring 2027, for example. Empty: its days.")
    valid_from = forms.DateField(
        required=False, widget=DAY, label="Begins", help_text="Empty: the day after the last day of each."
    )
    valid_until = forms.DateField(
        required=False, widget=DAY, label="Ends", help_text="The last day on which seats may be taken. Empty: as long."
    )
    total_seats = WholeNumberField(
        required=False,
        max_value=MAX_SEATS,
        help_text="Empty: one for everybody who holds a seat, and one for each learner who was turned away.",
    )


class RosterForm(StaffForm):
    """Learners of a list, and the program in which they are enrolled."""

    instance = forms.ModelChoiceField(queryset=ProgramInstance.objects.none(), label="Program", empty_label=None)
    roster = forms.CharField(
        label="Learners",
        max_length=100_000,
        widget=forms.Textarea(attrs={"rows": 12}),
        help_text="Lines of a CSV file, or cells copied from a sheet. The first names the columns: "
        f"{', '.join(COLUMNS)}. Known learners need a learner_id or their email. At most {MOST_LINES}.",
    )

    def prepare(self) -> None:
        bound = self.fields["instance"]
        assert isinstance(bound, forms.ModelChoiceField)
        offered = ProgramInstance.objects.filter(workspace=self.row.district.workspace_id, active=True)
        if self.row.instance_id is not None:
            offered = offered.filter(pk=self.row.instance_id)
        bound.queryset = offered.order_by("-start_date", "name", "id")


def foresee_roster(allocation: DistrictSeatAllocation, form: StaffForm) -> Preview:
    """What would become of each line; the faults first, each with its line."""
    chosen = form.cleaned_data
    tried = try_roster(allocation=allocation, instance=chosen["instance"], text=chosen["roster"])
    faults = [f"Line {line.number} {line.name}: {line.fault}" for line in tried if line.fault]
    seated = len(tried) - len(faults)
    more = [f"… and {len(faults) - FAULTS_SHOWN} more lines."] if len(faults) > FAULTS_SHOWN else []
    told = f"{seated:,} of {len(tried):,} get a seat, if they meet the criteria of {chosen['instance']}."
    return Preview((told, *faults[:FAULTS_SHOWN], *more), mails="Families are told as after any request.")


def plan_of(allocation: DistrictSeatAllocation, form: StaffForm) -> RenewalPlan:
    chosen = form.cleaned_data
    return plan_renewal(
        allocation=allocation,
        term=chosen["term"],
        valid_from=chosen["valid_from"],
        valid_until=chosen["valid_until"],
        total_seats=chosen["total_seats"],
    )


def foresee_renewal(allocation: DistrictSeatAllocation, form: StaffForm) -> Preview:
    plan = plan_of(allocation, form)
    why = f"{plan.held:,} seats are held, and {plan.turned_away:,} learners were turned away because all were taken."
    sentences = [
        f"{allocation.district} gets {plan.total_seats:,} seats for {plan.instance or 'any program'}, "
        f"from {day(plan.valid_from)} to {day(plan.valid_until)}, named {plan.term}.",
        f"Of the {allocation.total_seats:,} seats now, {why}",
    ]
    if allocation.seat_price:
        cost = Money(plan.total_seats * allocation.seat_price.minor, allocation.currency)
        sentences.append(f"At {allocation.seat_price} a seat that is {cost}.")
    return Preview(tuple(sentences))


@admin.register(DistrictSeatAllocation)
class AllocationAdmin(WorkspaceScopedAdmin):
    """Counters are changed by `seats.py` alone; staff change the total and switch an allocation on and off."""

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
    list_select_related = ("district__workspace", "instance")
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
        explanation="Learners of the district get them from now on instead of a payment page, while some are left and "
        "their days last. Whoever enrolled before is not moved.",
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
        return f"{district} has {allocation.total_seats:,} seats for {instance or 'any program'}."

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
        return f"{changed.district}: {changed.total_seats:,} seats, {changed.available_seats:,} left."

    @staff_action(
        description="Idle seats",
        power=Power.MANAGE,
        form=IdleRuleForm,
        preview=foresee_idle_rule,
        icon="bedtime",
        explanation="Seats that nobody uses go to whoever waits. Their families are asked first.",
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
            f"{changed}: idle after {changed.idle_days} days." if changed.idle_days else f"{changed}: nobody is asked."
        )

    @staff_action(
        description="Renew for next term",
        power=Power.MANAGE,
        form=RenewalForm,
        possible=lambda row: not row.renewals.exists(),
        preview=foresee_renewal,
        icon="event_repeat",
        explanation="Makes the seats of the next term from these. Nothing changes about these.",
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
        return f"{made}: {made.total_seats:,} seats."

    @staff_action(
        description="Assign to a list",
        power=Power.MANAGE,
        form=RosterForm,
        possible=lambda row: row.is_open(utc_now()),
        preview=foresee_roster,
        icon="group_add",
        explanation="Each learner of the list is enrolled with one of these seats, as by a request. It is tried first.",
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

    renew_selected = in_bulk(renew, description="Renew for next term")


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
    """Read only: `seats.py` writes a row with each change."""

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
    """What was changed, in words: the total, whether seats are taken, or both."""
    told = []
    if change.total_before != change.total_after:
        told.append(f"{change.total_before:,} to {change.total_after:,} seats")
    if change.was_active != change.is_active:
        told.append("switched on" if change.is_active else "switched off")
    return ", ".join(told)
