"""Vouchers and where they were used. Staff create codes and limit them; what a code takes off never changes."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin import AllValuesFieldListFilter
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display
from unfold.enums import ActionVariant

from accounts.models import Learner, Workspace
from accounts.roles import Power
from backoffice.actions import StaffForm, staff_action, staff_list_action
from backoffice.display import (
    NOTHING,
    Card,
    admin_url,
    list_url,
    money_column,
    neighbor,
    neighbors_of,
    register_subject,
    status_badge,
)
from backoffice.money import MoneyField
from backoffice.previews import Preview
from backoffice.scoping import ScopedRelatedFilter, WorkspaceScopedAdmin, access_of
from core.clock import utc_now
from core.currencies import CURRENCIES
from core.forms import WholeNumberField
from core.money import Money
from core.numbers import MAX_INT

from ..consequences import tell_codes, tell_limits
from ..discounts.batch import MOST_AT_ONCE, Terms, change_voucher, check_uses, draw_vouchers, make_vouchers
from ..models import Checkout, Discount, Voucher
from ..purposes import find_matters, find_offers
from ..states import VoucherKind
from .cards import SHOWN
from .display import AboutMoney, payer_of, subjects_of_people

register_subject("voucher", Voucher)

DAY = forms.DateInput(attrs={"type": "date"})
ANYTHING = "Everything that is sold"


class LimitsForm(StaffForm):
    """How often, and when, a code can be used."""

    most_uses = WholeNumberField(
        required=False, max_value=MAX_INT, label="Uses in all", help_text="For each code. Empty: no limit."
    )
    most_uses_per_family = WholeNumberField(
        required=False,
        max_value=1_000,
        label="Uses per family",
        help_text="Children who share a guardian are one family. Empty: no limit.",
    )
    valid_from = forms.DateField(
        required=False, widget=DAY, label="First day", help_text="In the workspace's time zone."
    )
    valid_until = forms.DateField(required=False, widget=DAY, label="Last day")
    note = forms.CharField(required=False, max_length=200, help_text="For colleagues: why it was given.")


class ChangeForm(LimitsForm):
    edits_the_row = True
    active = forms.BooleanField(required=False, help_text="When it is switched off, nobody can use it.")

    def prepare(self) -> None:
        names = ("most_uses", "most_uses_per_family", "valid_from", "valid_until", "note", "active")
        self.initial.update({name: getattr(self.row, name) for name in names})


class CodesForm(LimitsForm):
    workspace = forms.ModelChoiceField(queryset=Workspace.objects.none(), empty_label=None)
    count = WholeNumberField(min_value=1, max_value=MOST_AT_ONCE, initial=1, label="How many codes")
    code = forms.CharField(
        required=False,
        max_length=32,
        help_text="For one code, the code itself; for several, what they begin with. Empty: random.",
    )
    kind = forms.ChoiceField(label="Takes off", choices=VoucherKind.choices)
    percent = forms.DecimalField(
        required=False, max_digits=5, decimal_places=2, help_text="For a percentage: 25 takes a quarter off."
    )
    amount = MoneyField(required=False, help_text="For an amount, in the currency beside it.")
    currency = forms.ChoiceField(
        choices=[(code, code.upper()) for code in sorted(CURRENCIES)], initial="usd", required=False
    )
    only_for = forms.ChoiceField(label="Only for", required=False)
    learner = forms.CharField(
        required=False, max_length=32, label="Only for the learner", help_text="Their CUID. Empty: anybody."
    )
    batch = forms.CharField(
        required=False, max_length=80, help_text="A name for this batch of codes, to find and export them."
    )
    field_order = (
        "workspace",
        "count",
        "code",
        "kind",
        "percent",
        "amount",
        "currency",
        "only_for",
        "learner",
        "most_uses",
        "most_uses_per_family",
        "valid_from",
        "valid_until",
        "batch",
        "note",
    )

    def prepare(self) -> None:
        self.chosen_learner: Learner | None = None
        self.offer_workspaces(Power.MONEY)
        access = access_of(self.request)
        self._offers = find_offers(None if access.everywhere else access.workspace_ids(Power.MONEY))
        only_for = self.fields["only_for"]
        assert isinstance(only_for, forms.ChoiceField)
        only_for.choices = [("", ANYTHING), *((key, offer.label) for key, offer in self._offers.items())]
        amount = self.fields["amount"]
        assert isinstance(amount, MoneyField)
        told = str(self.data.get("currency") or "")
        amount.currency = told if told in CURRENCIES else "usd"

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        workspace = cleaned.get("workspace")
        offer = self._offers.get(cleaned.get("only_for", ""))
        if workspace and offer and offer.workspace_id != workspace.pk:
            self.add_error("only_for", f"{workspace} does not sell this.")
        if workspace and cleaned.get("learner"):
            self.chosen_learner = (
                Learner.objects.live().filter(workspace=workspace).known_as(cleaned["learner"]).first()
            )
            if self.chosen_learner is None:
                self.add_error("learner", f"{workspace} has no such learner. Copy the CUID from the learner's page.")
        return cleaned

    def terms(self) -> Terms:
        chosen = self.cleaned_data
        amount = chosen["amount"]
        return Terms(
            kind=VoucherKind(chosen["kind"]),
            percent=chosen["percent"],
            amount=None if amount is None else Money(amount, chosen["currency"]),
            most_uses=chosen["most_uses"],
            most_uses_per_family=chosen["most_uses_per_family"],
            valid_from=chosen["valid_from"],
            valid_until=chosen["valid_until"],
            only_for=chosen["only_for"],
            learner_id=self.chosen_learner.pk if self.chosen_learner else None,
            note=chosen["note"],
        )

    def asked(self) -> dict[str, Any]:
        """Return which codes to create, as the use case accepts it."""
        chosen = self.cleaned_data
        return {
            "workspace_id": chosen["workspace"].pk,
            "count": chosen["count"],
            "code": chosen["code"],
            "batch": chosen["batch"],
            "terms": self.terms(),
        }


def foresee_codes(_: None, form: CodesForm) -> Preview:
    """Return what they take off, and how much in all."""
    return Preview(tuple(tell_codes(draw_vouchers(**form.asked(), now=utc_now()))))


def foresee_limits(voucher: Voucher, form: ChangeForm) -> Preview:
    """Preview how many uses are left. Raises Invalid for a limit below the number of uses."""
    chosen = form.cleaned_data
    check_uses(voucher, chosen["most_uses"])
    return Preview(tuple(tell_limits(voucher, most_uses=chosen["most_uses"], is_active=chosen["active"])))


@admin.register(Voucher)
class VoucherAdmin(WorkspaceScopedAdmin):
    list_display = ("code", "takes_off", "offer", "used", "valid_until", "batch", "active", "workspace")
    list_filter = (
        ("workspace", ScopedRelatedFilter),
        "active",
        ("kind", ChoicesDropdownFilter),
        ("batch", AllValuesFieldListFilter),
        "valid_until",
    )
    list_select_related = ("workspace",)
    search_fields = ("code__istartswith", "batch__istartswith", "note__icontains")
    search_help_text = "Code, batch, note"
    fieldsets = (
        (None, {"fields": (("code", "takes_off"), ("offer", "learner"), ("active", "workspace"))}),
        (
            "Limits",
            {"fields": (("used", "most_uses", "most_uses_per_family"), ("valid_from", "valid_until"))},
        ),
        ("For colleagues", {"fields": (("batch", "created_at"), "note")}),
    )
    actions_list = ("make_codes",)
    actions_detail = ("change_limits",)

    def look_up(self, request: HttpRequest, rows: Sequence[Voucher]) -> None:
        super().look_up(request, rows)
        offers = find_offers({voucher.workspace_id for voucher in rows if voucher.only_for})
        for voucher in rows:
            voucher.offer = offers.get(voucher.only_for)  # type: ignore[attr-defined]

    @display(description="for")
    def offer(self, voucher: Voucher) -> str:
        if not voucher.only_for:
            return ANYTHING
        known = (
            voucher.offer if hasattr(voucher, "offer") else find_offers([voucher.workspace_id]).get(voucher.only_for)
        )
        return known.label if known else voucher.only_for

    @display(description="used")
    def used(self, voucher: Voucher) -> str:
        return f"{voucher.uses:,} of {voucher.most_uses:,}" if voucher.most_uses is not None else f"{voucher.uses:,}"

    @staff_list_action(
        description="Make codes",
        power=Power.MONEY,
        form=CodesForm,
        preview=foresee_codes,
        explanation=(
            "Codes that families enter before they pay. The discount of a code never changes; its limits and dates can."
        ),
    )
    def make_codes(self, request: HttpRequest, form: StaffForm) -> HttpResponse:
        assert isinstance(form, CodesForm)
        made = make_vouchers(**form.asked(), now=utc_now())
        for voucher in made:
            self.log_addition(request, voucher, "Made")
        if len(made) == 1:
            return HttpResponseRedirect(admin_url(made[0]))
        messages.success(
            request, f"{len(made):,} codes are made. Check all rows and choose Export as CSV to have them in a file."
        )
        batch = form.cleaned_data["batch"]
        found = {"batch": batch} if batch else {}
        return HttpResponseRedirect(list_url(Voucher, **found))

    @staff_action(
        description="Change limits",
        power=Power.MONEY,
        form=ChangeForm,
        preview=foresee_limits,
        icon="tune",
        variant=ActionVariant.PRIMARY,
        explanation="From now on. Payment pages that are open keep the price that they show.",
    )
    def change_limits(self, request: HttpRequest, voucher: Voucher, form: StaffForm) -> str:
        changed = change_voucher(voucher_id=voucher.pk, **form.cleaned_data)
        return f"{changed}: {self.used(changed)} used, {'active' if changed.active else 'switched off'}."


@admin.register(Discount)
class DiscountAdmin(AboutMoney):
    """Where prices were reduced: by a voucher, or because a sibling takes part."""

    list_display = ("who", "what", "label", "list_price", "amount", "status_badge", "workspace", "created_at")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("source", ChoicesDropdownFilter),
        ("workspace", ScopedRelatedFilter),
        "created_at",
    )
    list_select_related = ("workspace", "voucher", "checkout")
    search_fields = ("voucher__code__istartswith",)
    search_help_text = "Learner, code"
    fieldsets = (
        (None, {"fields": (("status_badge", "label"), ("list_price", "amount"), ("paid_for", "voucher"))}),
        ("Times", {"fields": (("created_at", "settled_at"), ("checkout", "workspace"))}),
    )
    status_badge = status_badge("status")
    list_price = money_column("list_minor", "list price")
    amount = money_column("discount_minor", "taken off")

    def find_by_others(self, request: HttpRequest, term: str) -> list[Q]:
        return subjects_of_people(self.admin_site, request, term)

    @display(description="learner and payer", header=True)
    def who(self, row: Discount) -> tuple[str, str]:
        payer = payer_of(row.checkout) if row.checkout else ""
        return self.matter_of(row).learner or NOTHING, payer

    @display(description="by")
    def label(self, row: Discount) -> str:
        return row.label


@neighbors_of(Voucher)
def uses_of_voucher(request: HttpRequest, voucher: Voucher) -> Card:
    found = list(voucher.discounts.order_by("-id")[:SHOWN])
    matters = find_matters({(each.purpose, each.subject) for each in found})
    rows = []
    for each in found:
        matter = matters.get((each.purpose, each.subject))
        about = f"{matter.learner}: {matter.what}" if matter else each.charged
        rows.append(neighbor(each, status="status", note=about, at=each.created_at))
    return Card("Used for", rows, empty="Nobody has used it.")


@neighbors_of(Checkout)
def discount_of_checkout(request: HttpRequest, checkout: Checkout) -> Card:
    rows = [
        neighbor(each, status="status", note=f"{each.money} off {each.list_money}", at=each.created_at)
        for each in checkout.discounts.select_related("voucher")
    ]
    return Card("Discount", rows, empty="None: the list price is charged.")
