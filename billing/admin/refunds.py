import datetime as dt

from django.contrib import admin
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from accounts.roles import Power
from accounts.task_kinds import Urgency
from backoffice.actors import actor_column
from backoffice.display import link_column, register_subject, status_badge
from backoffice.queues import Queue, register_queue
from backoffice.scoping import ScopedRelatedFilter

from ..models import Refund
from ..states import OPEN_REFUNDS
from .currencies import CurrencyFilter
from .display import AboutMoney

register_subject("refund", Refund)


PATIENCE = dt.timedelta(days=1)

register_queue(
    Queue(
        name="unanswered",
        label="Refunds without an answer for a day",
        hint="Look in Stripe whether the money is on its way.",
        model=Refund,
        narrow=lambda refunds, now: refunds.filter(status__in=OPEN_REFUNDS, created_at__lt=now - PATIENCE),
        since="created_at",
        power=Power.MONEY,
        urgency=Urgency.NOW,
    )
)


@admin.register(Refund)
class RefundAdmin(AboutMoney):
    money_path = "payment"
    workspace_path = "payment__workspace"
    actor_fields = ("actor",)
    list_display = ("who", "what", "amount", "status_badge", "reason", "by", "created_at", "settled_at")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("reason", ChoicesDropdownFilter),
        ("payment__workspace", ScopedRelatedFilter),
        ("payment__currency", CurrencyFilter),
        "created_at",
    )
    list_select_related = ("payment__workspace", "payment__checkout")
    search_fields = ("stripe_refund_id__exact",)
    search_through = ("payment",)
    search_help_text = "Learner or payer, number of the refund, payment or invoice, Stripe's refund or payment intent"
    date_hierarchy = "created_at"
    fieldsets = (
        (None, {"fields": (("status_badge", "amount"), ("payment_link", "reason"), "note", "by")}),
        ("Stripe", {"fields": ("stripe_refund_id", "failure_reason", ("created_at", "settled_at"))}),
        ("Tries", {"fields": (("attempts", "next_attempt_at"), "last_error")}),
    )
    status_badge = status_badge("status")
    by = actor_column("actor", "asked for by")
    payment_link = link_column("payment", "payment")

    @display(description="amount", ordering="amount_minor")
    def amount(self, refund: Refund) -> str:
        return str(refund.money)
