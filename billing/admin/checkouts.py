import datetime as dt

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from accounts.roles import Power
from backoffice.actions import StaffForm, staff_action
from backoffice.display import NOTHING, Card, money_column, neighbor, neighbors_of, register_subject, status_badge
from backoffice.queues import Queue, register_queue
from backoffice.scoping import ScopedRelatedFilter
from core.clock import utc_now
from core.numbers import parse_whole_number

from ..checkout import settle_checkout
from ..models import Checkout
from ..states import CheckoutStatus
from .display import AboutMoney, subjects_of_people
from .stripe import stripe_notices

register_subject("checkout", Checkout)


# The sweep would have settled these by now.
PATIENCE = dt.timedelta(minutes=10)
BANK_PATIENCE = dt.timedelta(days=14)


def past_their_time(checkouts: QuerySet[Checkout], now: dt.datetime) -> QuerySet[Checkout]:
    """Return those that should have ended unpaid, and those whose bank has not answered for two weeks."""
    unpaid = Q(status=CheckoutStatus.OPEN, expires_at__lt=now - PATIENCE, payments=None)
    at_bank = Q(status=CheckoutStatus.PROCESSING, created_at__lt=now - BANK_PATIENCE)
    return checkouts.filter(unpaid | at_bank)


register_queue(
    Queue(
        name="overdue",
        label="Checkouts past their time",
        hint="They should have ended. Ask Stripe for their outcome.",
        model=Checkout,
        narrow=past_their_time,
        since="created_at",
        power=Power.ASSIST,
    )
)


@admin.register(Checkout)
class CheckoutAdmin(AboutMoney):
    list_display = ("who", "what", "amount", "status_badge", "workspace", "created_at", "expires_at")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("workspace", ScopedRelatedFilter),
        "created_at",
        "expires_at",
    )
    list_select_related = ("workspace",)
    search_fields = ("stripe_session_id__exact", "payer_email__istartswith")
    search_help_text = "Learner or payer, checkout number, Stripe session"
    date_hierarchy = "created_at"
    fieldsets = (
        (None, {"fields": (("status_badge", "amount"), ("paid_for", "description"), ("price", "payer_email"))}),
        ("Stripe", {"fields": ("stripe_session_id", "payment_page")}),
        (
            "Times",
            {
                "fields": (
                    ("created_at", "expires_at"),
                    ("settled_at", "next_check_at"),
                    ("cancel_requested_at", "workspace"),
                )
            },
        ),
    )
    actions_detail = ("ask_stripe",)
    status_badge = status_badge("status")
    amount = money_column("amount_minor", "amount")

    def find_by_others(self, request: HttpRequest, term: str) -> list[Q]:
        number = parse_whole_number(term)
        found = subjects_of_people(self.admin_site, request, term)
        return found if number is None else [*found, Q(pk=number)]

    @display(description="payment page")
    def payment_page(self, checkout: Checkout) -> str:
        if checkout.status != CheckoutStatus.OPEN or not checkout.url:
            return NOTHING
        return format_html('<a class="text-link" href="{0}" rel="noreferrer">{0}</a>', checkout.url)

    @staff_action(
        description="Ask Stripe",
        power=Power.ASSIST,
        possible=lambda checkout: bool(checkout.stripe_session_id),
        icon="sync",
        explanation="Fetches the session from Stripe and updates our rows to match.",
        reaches_out=True,
    )
    def ask_stripe(self, request: HttpRequest, checkout: Checkout, form: StaffForm) -> str:
        settled = settle_checkout(checkout_id=checkout.pk, now=utc_now())
        return f"Stripe says: {settled.get_status_display().lower()}."


@neighbors_of(Checkout)
def payments_of_checkout(request: HttpRequest, checkout: Checkout) -> Card:
    rows = [
        neighbor(payment, status="status", at=payment.paid_at or payment.created_at)
        for payment in checkout.payments.order_by("-id")[:20]
    ]
    return Card("Payments", rows, empty="Nothing was paid.")


@neighbors_of(Checkout)
def notices_of_checkout(request: HttpRequest, checkout: Checkout) -> Card:
    return stripe_notices(request, checkout.stripe_session_id)
