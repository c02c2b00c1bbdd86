from django.contrib import admin
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from backoffice.display import link_column, register_subject, status_badge
from backoffice.scoping import ScopedRelatedFilter

from ..models import Dispute
from .currencies import CurrencyFilter
from .display import AboutMoney

register_subject("dispute", Dispute)


@admin.register(Dispute)
class DisputeAdmin(AboutMoney):
    money_path = "payment"
    workspace_path = "payment__workspace"
    list_display = ("who", "what", "amount", "status_badge", "reason", "opened_at", "closed_at")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("payment__workspace", ScopedRelatedFilter),
        ("payment__currency", CurrencyFilter),
        "opened_at",
    )
    list_select_related = ("payment__workspace", "payment__checkout")
    search_fields = ("stripe_dispute_id__exact",)
    search_through = ("payment",)
    search_help_text = "Learner or payer, number of the dispute, payment or invoice, Stripe's dispute or payment intent"
    fields = (("status_badge", "amount"), ("payment_link", "reason"), "stripe_dispute_id", ("opened_at", "closed_at"))
    status_badge = status_badge("status")
    payment_link = link_column("payment", "payment")

    @display(description="amount", ordering="amount_minor")
    def amount(self, dispute: Dispute) -> str:
        return str(dispute.money)
