"""The refund rules of programs and instances, edited on a form that shows examples of what families would get back."""

import datetime as dt
from typing import Any

from django import forms
from django.http import HttpRequest

from accounts.roles import Power
from backoffice.actions import StaffForm, staff_action
from backoffice.display import Card, Neighbor, neighbors_of
from backoffice.money import MoneyField
from backoffice.previews import Preview
from backoffice.scoping import actor_of
from billing.refund_policy import RefundTier, divide, tier_on
from core.clock import utc_now
from core.errors import Invalid, read_item, require
from core.forms import WholeNumberField
from core.local_time import local_date
from core.money import Money
from core.time_words import day as in_words

from ..family.refunds import tell_rules
from ..models import Program, ProgramInstance, RefundPolicyTier
from ..refund_rules import MAX_TIERS, check_tiers, find_policy, own_policy, set_refund_policy

EXAMPLE = Money(100_00, "usd")  # where nothing has been sold yet
# The names of a tier's fields in the API, mapped to those of the form.
_FIELDS = {"daysBeforeStart": "days", "untilDate": "date", "keptPercent": "percent"}


def _split(row: Program | ProgramInstance) -> tuple[Program, ProgramInstance | None]:
    return (row, None) if isinstance(row, Program) else (row.program, row)


def _price_of(row: Program | ProgramInstance) -> Money:
    """Return the price that the example starts from, of which a fee is kept."""
    sold = row.instances.filter(active=True, price__isnull=False) if isinstance(row, Program) else [row]
    return next((instance.price.money for instance in sold if instance.price), EXAMPLE)


class RefundRulesForm(StaffForm):
    edits_the_row = True

    def prepare(self) -> None:
        program, instance = _split(self.row)
        policy = own_policy(program, instance)
        rules = policy.rules if policy else []
        currency = _price_of(self.row).currency
        for number in range(1, MAX_TIERS + 1):
            rule = rules[number - 1] if number <= len(rules) else None
            self._ask_for_tier(number, rule, currency)

    def _ask_for_tier(self, number: int, rule: RefundTier | None, currency: str) -> None:
        rank = f"Tier {number}"
        self.fields[f"days_{number}"] = WholeNumberField(
            label=f"{rank}: until this many days before the start",
            required=False,
            min_value=RefundPolicyTier.LAST_DAYS[0],
            max_value=RefundPolicyTier.LAST_DAYS[1],
            initial=rule.days_before_start if rule else None,
            help_text="0 is the day of the start itself, -7 a week after it." if number == 1 else "",
        )
        self.fields[f"date_{number}"] = forms.DateField(
            label=f"{rank}: or until this date",
            required=False,
            initial=rule.until_date if rule else None,
            widget=forms.DateInput(attrs={"type": "date"}),
        )
        self.fields[f"percent_{number}"] = WholeNumberField(
            label=f"{rank}: percent of the price that you keep",
            required=False,
            min_value=0,
            max_value=100,
            initial=rule.kept_percent if rule else None,
        )
        fee = MoneyField(required=False, initial=(rule.kept_fee_minor or None) if rule else None)
        fee.ask_in(currency)
        fee.label = f"{rank}: fee that you keep, in {currency.upper()}"
        self.fields[f"fee_{number}"] = fee

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if self.errors:
            return cleaned
        program, instance = _split(self.row)
        try:
            check_tiers(program=program, instance=instance, tiers=self.tiers, currency=self.currency)
        except Invalid as refusal:
            numbers = self._numbers
            for fault in refusal.errors:
                item = read_item(fault.field)
                field = f"{_FIELDS[item[2]]}_{numbers[item[1]]}" if item else None
                self.add_error(field, fault.detail if item else f"{refusal.detail} {fault.detail}")
        return cleaned

    @property
    def currency(self) -> str:
        return _price_of(self.row).currency

    @property
    def _numbers(self) -> list[int]:
        """Return the numbers of the tiers that were filled in."""
        told = self.cleaned_data
        names = ("days", "date", "percent", "fee")
        return [n for n in range(1, MAX_TIERS + 1) if any(told.get(f"{name}_{n}") is not None for name in names)]

    @property
    def tiers(self) -> list[RefundTier]:
        told = self.cleaned_data
        return [
            RefundTier(
                days_before_start=told[f"days_{n}"],
                until_date=told[f"date_{n}"],
                kept_percent=told[f"percent_{n}"] or 0,
                kept_fee_minor=told[f"fee_{n}"] or 0,
            )
            for n in self._numbers
        ]


def foresee_rules(row: Program | ProgramInstance, form: StaffForm) -> Preview:
    """Preview the rules in the words families read, and who gets what back on which day."""
    assert isinstance(form, RefundRulesForm)
    tiers = form.tiers
    price = _price_of(row)
    workspace = row.workspace
    starts_on = _start_of(row) or local_date(utc_now(), workspace.timezone) + dt.timedelta(days=60)
    sentences = [
        *tell_rules(tiers, price.currency, starts_on=None),
        f"For example, {price} for a start on {in_words(starts_on)}:",
    ]
    days = [last for tier in tiers if (last := tier.last_day(starts_on))]
    if days:
        days.append(days[-1] + dt.timedelta(days=1))
    for leaving in days:
        tier = require(tier_on(tiers=tiers, starts_on=starts_on, day=leaving), "the start is known")
        share = divide(paid=price, tier=tier, promised_minor=0, refundable_minor=price.minor)
        sentences.append(f"Leaves on {in_words(leaving)}: gets {share.returned} back.")
    if not tiers:
        sentences = ["No rules: staff decide about each family that leaves."]
        if isinstance(row, ProgramInstance):
            sentences = ["No rules of its own: the program's apply, and if there are none, staff decide."]
    return Preview((*sentences, "Earlier purchases keep the rules they were made under."))


def _start_of(row: Program | ProgramInstance) -> dt.date | None:
    return row.start_date if isinstance(row, ProgramInstance) else None


class RefundRules:
    """A mixin for the admin pages of programs and instances."""

    @staff_action(
        description="Refund rules",
        power=Power.MANAGE,
        form=RefundRulesForm,
        preview=foresee_rules,
        icon="currency_exchange",
        explanation="What families get back when they leave. Each tier applies from the day after the previous one, "
        "and after the last one nothing is refunded. You can keep both a percentage and a fee. Leave everything "
        "empty for no rules.",
    )
    def set_refund_rules(self, request: HttpRequest, row: Any, form: StaffForm) -> str:
        assert isinstance(form, RefundRulesForm)
        program, instance = _split(row)
        policy = set_refund_policy(
            program=program,
            instance=instance,
            tiers=form.tiers,
            currency=form.currency,
            actor=actor_of(request),
            now=utc_now(),
        )
        return f"{row}: the refund rules apply from now on." if policy else f"{row} has no refund rules of its own."


@neighbors_of(Program)
def rules_of_program(request: HttpRequest, program: Program) -> Card:
    policy = own_policy(program, None)
    told = tell_rules(policy.rules, policy.currency, starts_on=None) if policy else []
    return Card("Refund rules", [Neighbor(title=line) for line in told], empty="None: staff decide.")


@neighbors_of(ProgramInstance)
def rules_of_instance(request: HttpRequest, instance: ProgramInstance) -> Card:
    policy = find_policy(instance, at=utc_now())
    told = tell_rules(policy.rules, policy.currency, starts_on=instance.start_date) if policy else []
    note = "" if policy is None or policy.instance_id else "The program's"
    return Card("Refund rules", [Neighbor(title=line, note=note) for line in told], empty="None: staff decide.")
