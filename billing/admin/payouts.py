"""What Stripe sent to the bank: payouts, which belong to the platform, and their lines, which belong to workspaces."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from accounts.roles import Power
from backoffice.actions import StaffForm, staff_action
from backoffice.display import Card, Neighbor, link_column, money_column, neighbor, neighbors_of, status_badge
from backoffice.scoping import ScopedRelatedFilter, WorkspaceScopedAdmin
from core.clock import utc_now
from core.money import Money

from ..models import Payment, Payout, PayoutLine
from ..payouts import read_payout
from .currencies import CurrencyFilter

SHOWN = 20


@admin.register(Payout)
class PayoutAdmin(WorkspaceScopedAdmin):
    """Payouts are for superusers, because one Stripe account holds the money of all workspaces."""

    workspace_path = ""
    view_power = Power.OPERATE
    ordering = ("-made_at", "-id")
    list_display = ("stripe_id", "amount", "status_badge", "arrival_date", "made_at", "lines_read_at")
    list_filter = (("status", ChoicesDropdownFilter), ("currency", CurrencyFilter), "made_at")
    search_fields = ("=stripe_id",)
    search_help_text = "Stripe's id of the payout"
    fieldsets = (
        (None, {"fields": (("amount", "status_badge"), ("arrival_date", "made_at"), ("stripe_id", "is_automatic"))}),
        ("Reading it", {"fields": ("lines_read_at", ("attempts", "next_attempt_at"), "last_error")}),
    )
    actions_detail = ("read_again",)
    amount = money_column("amount_minor", "amount")
    status_badge = status_badge("status")

    @staff_action(
        description="Read again",
        power=Power.OPERATE,
        possible=lambda payout: payout.is_automatic,
        icon="sync",
        explanation="Requests all lines of this payout from Stripe. Lines that are already known stay as they are.",
        reaches_out=True,
    )
    def read_again(self, request: HttpRequest, payout: Payout, form: StaffForm) -> str:
        read = read_payout(payout_id=payout.pk, now=utc_now())
        return f"Lines read: {read.lines.count():,}."


@admin.register(PayoutLine)
class PayoutLineAdmin(WorkspaceScopedAdmin):
    ordering = ("-moved_at", "-id")
    list_display = ("kind_badge", "amount", "fee", "net", "payment_link", "arrives", "workspace", "moved_at")
    list_filter = (
        ("kind", ChoicesDropdownFilter),
        ("workspace", ScopedRelatedFilter),
        ("payment", admin.EmptyFieldListFilter),
        ("currency", CurrencyFilter),
        "moved_at",
        ("payout__status", ChoicesDropdownFilter),
        "payout__arrival_date",
    )
    list_select_related = ("workspace", "payment__workspace", "payment__checkout", "payout")
    search_fields = ("=stripe_id", "=source_id", "=payment_intent_id", "=payout__stripe_id")
    search_help_text = "Stripe's id of the transaction, its charge, refund, dispute, payment intent or payout"
    fieldsets = (
        (None, {"fields": (("kind_badge", "payment_link"), ("amount", "fee", "net"), ("moved_at", "arrives"))}),
        ("Stripe", {"fields": (("stripe_id", "source_id"), ("payment_intent_id", "payout_number"), "workspace")}),
    )
    kind_badge = status_badge("kind")
    amount = money_column("amount_minor", "amount")
    fee = money_column("fee_minor", "fee")
    payment_link = link_column("payment", "payment")

    @display(description="to the bank")
    def net(self, line: PayoutLine) -> str:
        return str(Money(line.net_minor, line.currency))

    @display(description="arrives", ordering="payout__arrival_date")
    def arrives(self, line: PayoutLine) -> object:
        return line.payout.arrival_date

    @display(description="payout")
    def payout_number(self, line: PayoutLine) -> str:
        return line.payout.stripe_id


@neighbors_of(Payout)
def lines_of_payout(request: HttpRequest, payout: Payout) -> Card:
    return Card("Lines", _told(payout.lines.order_by("-moved_at", "-id")), empty="No line has been read yet.")


@neighbors_of(Payment)
def lines_of_payment(request: HttpRequest, payment: Payment) -> Card:
    rows = _told(payment.payout_lines.order_by("-moved_at", "-id"))
    return Card("In Stripe's payouts", rows, empty="Stripe has not paid it out yet.")


def _told(lines: QuerySet[PayoutLine]) -> list[Neighbor]:
    return [
        neighbor(
            line,
            title=line.money,
            note=f"{line.get_kind_display()}, {Money(line.fee_minor, line.currency)} fee",
            at=line.moved_at,
        )
        for line in lines[:SHOWN]
    ]
