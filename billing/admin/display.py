"""What several pages about money show: whom and what a row is about, in the words of the app that asked for the money,
and how to find rows by them."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest
from django.utils.html import format_html
from unfold.decorators import display

from accounts.models import Learner
from backoffice.display import NOTHING
from backoffice.scoping import WorkspaceScopedAdmin
from backoffice.searching import find_keys

from ..models import Checkout, Payment
from ..purposes import Matter, find_matters, find_subjects


class AboutMoney(WorkspaceScopedAdmin):
    """`money_path` leads from the row to its checkout or payment; empty if it is one itself."""

    money_path = ""

    def money_of(self, row: Any) -> Any:
        return getattr(row, self.money_path) if self.money_path else row

    def prepare(self, rows: Sequence[Any]) -> None:
        super().prepare(rows)
        money = [self.money_of(row) for row in rows]
        known = find_matters({(each.purpose, each.subject) for each in money})
        for each in money:
            each.matter = known.get((each.purpose, each.subject))

    def matter_of(self, row: Any) -> Matter:
        """Return what `prepare` found, or the matter whose subject nobody knows any longer."""
        money = self.money_of(row)
        if not hasattr(money, "matter"):
            money.matter = find_matters([(money.purpose, money.subject)]).get((money.purpose, money.subject))
        return money.matter or Matter("", f"{money.purpose.replace('_', ' ')} {money.subject}", "")

    def describe(self, row: Any) -> str:
        matter = self.matter_of(row)
        return ": ".join(filter(None, [matter.learner, f"{matter.what}, {row.money}"]))

    @display(description="learner and payer", header=True)
    def who(self, row: Any) -> tuple[str, str]:
        return self.matter_of(row).learner or NOTHING, payer_of(self.money_of(row))

    @display(description="for")
    def what(self, row: Any) -> str:
        return self.matter_of(row).what

    @display(description="for")
    def paid_for(self, row: Any) -> str:
        matter = self.matter_of(row)
        text = f"{matter.learner}: {matter.what}" if matter.learner else matter.what
        return format_html('<a class="text-link" href="{}">{}</a>', matter.url, text) if matter.url else text


def payer_of(money: Checkout | Payment) -> str:
    """Return the address of the person who paid, or was asked to."""
    checkout = money.checkout if isinstance(money, Payment) else money
    return (checkout.payer_email or checkout.customer_email) if checkout else ""


def subjects_of_people(site: admin.AdminSite, request: HttpRequest, term: str) -> list[Q]:
    """Return conditions on checkouts and payments: those for learners whom the words find."""
    learners = find_keys(site, request, Learner, term)
    if not learners:
        return []
    found = find_subjects(learners)
    return [Q(purpose=purpose, subject__in=subjects) for purpose, subjects in found.items() if subjects]
