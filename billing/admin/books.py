"""The closed months and their lines."""

import datetime as dt
from itertools import groupby
from operator import itemgetter
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from accounts.models import Workspace
from accounts.roles import Power
from backoffice.actions import RequiredNoteForm, StaffForm, staff_action, staff_list_action
from backoffice.actors import actor_column
from backoffice.display import Card, Neighbor, link_column, list_url, money_column, neighbors_of, subject_column
from backoffice.previews import Preview
from backoffice.scoping import ScopedRelatedFilter, WorkspaceScopedAdmin, actor_of
from core.clock import utc_now
from core.money import Money

from ..closing import close_month, count_waiting, list_lines_due, reopen_month, sum_lines
from ..consequences import tell_lines
from ..models import LedgerLine, MonthClose
from ..states import Account
from .currencies import CurrencyFilter


class CloseForm(StaffForm):
    workspace = forms.ModelChoiceField(queryset=Workspace.objects.none())
    month = forms.DateField(help_text="Any day of the month.", widget=forms.DateInput(attrs={"type": "date"}))
    note = forms.CharField(
        label="Reason, if mismatches are open", max_length=300, required=False, help_text="Kept with the month."
    )

    def prepare(self) -> None:
        self.offer_workspaces(Power.MONEY)

    def clean_month(self) -> dt.date:
        month: dt.date = self.cleaned_data["month"]
        if month.year < 2000 or month.year > 2999:
            raise forms.ValidationError("Give a day of a month that is over.")
        return month


def foresee_close(_: None, form: CloseForm) -> Preview:
    """Return the totals of the month's books. Raises MonthNotClosable for what prevents closing."""
    told = form.cleaned_data
    workspace = told["workspace"]
    lines = list_lines_due(workspace_id=workspace.pk, month=told["month"], note=told["note"], now=utc_now())
    waiting = count_waiting(workspace.pk)
    sentences = [f"{told['month']:%B %Y} of {workspace} is closed.", *tell_lines(lines)]
    sentences += [f"Open mismatches, which stay as they are: {waiting:,}."] if waiting else []
    return Preview(tuple(sentences))


@admin.register(MonthClose)
class MonthCloseAdmin(WorkspaceScopedAdmin):
    actor_fields = ("closed_by", "reopened_by")
    list_display = ("month_name", "workspace", "closed_at", "by", "reopened_at")
    list_filter = (("workspace", ScopedRelatedFilter), ("reopened_at", admin.EmptyFieldListFilter))
    list_select_related = ("workspace",)
    fieldsets = (
        (None, {"fields": (("month_name", "workspace"), ("closed_at", "by"), "note")}),
        ("Opened again", {"fields": (("reopened_at", "reopener"), "reopened_note"), "classes": ("collapse",)}),
    )
    actions_list = ("close",)
    actions_detail = ("reopen",)
    by = actor_column("closed_by", "closed by")
    reopener = actor_column("reopened_by", "opened again by")

    @display(description="month", ordering="month")
    def month_name(self, close: MonthClose) -> str:
        return str(close)

    @staff_list_action(
        description="Close a month",
        power=Power.MONEY,
        form=CloseForm,
        preview=foresee_close,
        icon="lock",
        explanation=(
            "Writes the month's lines and freezes their totals. Later entries go into the "
            "next open month and are marked as late."
        ),
    )
    def close(self, request: HttpRequest, form: StaffForm) -> str:
        closed = close_month(
            workspace_id=form.cleaned_data["workspace"].pk,
            month=form.cleaned_data["month"],
            note=form.cleaned_data["note"],
            actor=actor_of(request),
            now=utc_now(),
        )
        return f"{closed} is closed: {closed.lines.count():,} lines."

    @staff_action(
        description="Open again",
        power=Power.GOVERN,
        possible=lambda close: close.reopened_at is None,
        form=RequiredNoteForm,
        icon="lock_open",
        explanation="Existing lines stay. Closing the month again adds those that are missing.",
    )
    def reopen(self, request: HttpRequest, close: MonthClose, form: StaffForm) -> str:
        reopen_month(close_id=close.pk, note=form.cleaned_data["note"], actor=actor_of(request), now=utc_now())
        return f"{close} is open again."


@admin.register(LedgerLine)
class LedgerLineAdmin(WorkspaceScopedAdmin):
    """One row for each line of the books; *Export* writes it in the accountant's format."""

    list_display = (
        "date",
        "document",
        "correction",
        "payer",
        "what",
        "account",
        "gross",
        "fee",
        "net",
        "about",
        "payment_link",
        "late",
        "month_name",
        "workspace",
    )
    hidden_at_first = frozenset({"correction", "payer", "about", "payment_link", "late", "month_name"})
    list_filter = (
        ("account", ChoicesDropdownFilter),
        ("workspace", ScopedRelatedFilter),
        "is_late",
        ("currency", CurrencyFilter),
        "month",
    )
    list_select_related = ("workspace", "payment")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("account", "about"),
                    ("gross", "fee", "net"),
                    ("document", "correction"),
                    ("payment_link", "payer"),
                    "what",
                )
            },
        ),
        ("Books", {"fields": (("date", "month_name"), ("late", "workspace"))}),
    )
    search_fields = ("=source", "=document", "=correction", "=payer")
    search_help_text = (
        "Number of the invoice or correction, the payer as in user:5, or what it is about, as in refund:12"
    )
    gross = money_column("gross_minor", "gross")
    fee = money_column("fee_minor", "fee")
    about = subject_column("source", "reference")
    payment_link = link_column("payment", "payment")

    @display(description="month", ordering="month")
    def month_name(self, line: LedgerLine) -> str:
        return f"{line.month:%B %Y}"

    @display(description="late", ordering="is_late")
    def late(self, line: LedgerLine) -> str:
        return "Late" if line.is_late else ""

    @display(description="net")
    def net(self, line: LedgerLine) -> str:
        return str(Money(line.net_minor, line.currency))

    def exported_totals(self, rows: QuerySet[Any]) -> list[dict[str, str]]:
        """Return the totals of the lines in each currency, shown below them."""
        return [
            {
                "document": f"Total {total['currency'].upper()}",
                "gross": str(Money(total["gross"], total["currency"])),
                "fee": str(Money(total["fee"], total["currency"])),
                "net": str(Money(total["gross"] - total["fee"], total["currency"])),
            }
            for total in sum_lines(rows, "currency")
        ]


@neighbors_of(MonthClose)
def totals_of_month(request: HttpRequest, close: MonthClose) -> Card:
    rows = []
    for currency, totals in groupby(close.totals, key=itemgetter("currency")):
        nets = {Account(total["account"]).label: total["gross"] - total["fee"] for total in totals}
        rows += [Neighbor(title=Money(net, currency), note=label) for label, net in nets.items()]
        rows.append(Neighbor(title=Money(sum(nets.values()), currency), note=f"Total in {currency.upper()}"))
    url = list_url(LedgerLine, workspace__id__exact=close.workspace_id, month=close.month.isoformat())
    return Card("Totals", rows, empty="Nothing moved in this month.", more_url=url)
