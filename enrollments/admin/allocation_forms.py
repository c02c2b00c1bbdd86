"""The forms for district seats, and the previews that staff see before anything changes."""

from django import forms

from accounts.roles import Power
from backoffice.actions import RequiredNoteForm, StaffForm
from backoffice.money import MoneyField
from backoffice.previews import Preview
from backoffice.scoping import access_of
from core.clock import utc_now
from core.currencies import CURRENCIES
from core.forms import WholeNumberField
from core.money import Money
from core.numbers import counted
from core.time_words import day

from ..allocations.idle.finding import GRACE_DAYS, IDLE_DAYS, find_idle
from ..allocations.idle.reclaiming import list_waiting
from ..allocations.renewal import plan_renewal
from ..allocations.roster import COLUMNS, MOST_LINES, try_roster
from ..consequences import tell_seats_added, tell_total
from ..models import District, DistrictSeatAllocation, ProgramInstance
from ..seats import MAX_SEATS, check_days, check_total_covers

FAULTS_SHOWN = 20
DAY = forms.DateInput(attrs={"type": "date"})


class AllocationForm(StaffForm):
    district = forms.ModelChoiceField(queryset=District.objects.none())
    instance = forms.ModelChoiceField(
        queryset=ProgramInstance.objects.none(),
        required=False,
        empty_label="Any program",
        label="Program",
        help_text="Seats for one program are used before general ones.",
    )
    total_seats = WholeNumberField(max_value=MAX_SEATS)
    term = forms.CharField(
        max_length=80,
        required=False,
        help_text=(
            "Fall 2026, for example: a name that tells these seats apart from the district's "
            "others. Empty: their dates."
        ),
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
    """Preview how many seats are added and what they cost."""
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
    edits_the_row = True
    total_seats = WholeNumberField(max_value=MAX_SEATS)
    is_active = forms.BooleanField(required=False, label="Active", help_text="Inactive: no more seats are taken.")
    field_order = ("total_seats", "is_active", "note")

    def prepare(self) -> None:
        super().prepare()
        self.initial.update(total_seats=self.row.total_seats, is_active=self.row.is_active)


def foresee_total(allocation: DistrictSeatAllocation, form: StaffForm) -> Preview:
    """Preview how many seats would be left and who is waiting for one. Raises AllocationBelowUse."""
    total = form.cleaned_data["total_seats"]
    check_total_covers(allocation, total)
    sentences = tell_total(allocation, total_seats=total, is_active=form.cleaned_data["is_active"])
    if waiting := len(list_waiting(allocation, utc_now())):
        sentences.append(f"Learners who were turned away, and may get one when they ask again: {waiting:,}.")
    return Preview(tuple(sentences))


class IdleRuleForm(StaffForm):
    edits_the_row = True
    idle_days = WholeNumberField(
        required=False,
        min_value=IDLE_DAYS[0],
        max_value=IDLE_DAYS[1],
        label="Idle after days",
        help_text=(
            "Families in which nobody signed in, learned at a partner, or booked or attended a "
            "session for this long are asked whether they are still coming. Empty: nobody is "
            "asked."
        ),
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
    """Preview how many families would be asked today."""
    days = form.cleaned_data["idle_days"]
    if days is None:
        return Preview(("Nobody is asked from now on. Families who were asked before keep their seats.",))
    found = [idle for batch in find_idle(allocation=allocation, idle_days=days, now=utc_now()) for idle in batch]
    silent = sum(not idle.readers for idle in found)
    waiting = len(list_waiting(allocation, utc_now()))
    sentences = [f"Families to ask within six hours: {len(found) - silent:,}. More follow as their seats become idle."]
    sentences += [f"Families without an address, who keep their seats: {silent:,}."] if silent else []
    sentences.append(f"Learners who wait for a seat: {waiting:,}.")
    return Preview(
        tuple(sentences), mails="Each family is asked once, in its language, and has a link to keep the seat."
    )


class RenewalForm(StaffForm):
    """The next term of one allocation, or of several of the same kind."""

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
        help_text="Empty: one for each learner who holds a seat or was turned away.",
    )


class RosterForm(StaffForm):
    """A list of learners, and the program they are enrolled in."""

    instance = forms.ModelChoiceField(queryset=ProgramInstance.objects.none(), label="Program", empty_label=None)
    roster = forms.CharField(
        label="Learners",
        max_length=100_000,
        widget=forms.Textarea(attrs={"rows": 12}),
        help_text="Lines of a CSV file, or cells copied from a spreadsheet. The first line names the columns: "
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
    """Preview the outcome of each line; faults come first, each with its line."""
    chosen = form.cleaned_data
    tried = try_roster(allocation=allocation, instance=chosen["instance"], text=chosen["roster"])
    faults = [f"Line {line.number} {line.name}: {line.fault}" for line in tried if line.fault]
    seated = len(tried) - len(faults)
    more = [f"… and {counted(len(faults) - FAULTS_SHOWN, 'more line')}."] if len(faults) > FAULTS_SHOWN else []
    told = f"{seated:,} of {len(tried):,} get a seat, if they meet the criteria of {chosen['instance']}."
    return Preview((told, *faults[:FAULTS_SHOWN], *more), mails="Families are told as after any request.")


def foresee_renewal(allocation: DistrictSeatAllocation, form: StaffForm) -> Preview:
    plan = plan_renewal(allocation=allocation, **form.cleaned_data)
    sentences = [
        f"{allocation.district} gets {counted(plan.total_seats, 'seat')} for {plan.instance or 'any program'}, "
        f"from {day(plan.valid_from)} to {day(plan.valid_until)}, named {plan.term}.",
        f"Seats now: {allocation.total_seats:,}, held: {plan.held:,}.",
        f"Learners who were turned away because all were taken: {plan.turned_away:,}.",
    ]
    if allocation.seat_price:
        cost = Money(plan.total_seats * allocation.seat_price.minor, allocation.currency)
        sentences.append(f"At {allocation.seat_price} a seat that is {cost}.")
    return Preview(tuple(sentences))
