from django.contrib import admin
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from backoffice.display import link_column, register_subject, status_badge
from backoffice.scoping import ScopedRelatedFilter, WorkspaceScopedAdmin
from core.money import Money

from ..models import Dispute

register_subject("dispute", Dispute)


@admin.register(Dispute)
class DisputeAdmin(WorkspaceScopedAdmin):
    workspace_path = "payment__workspace"
    list_display = ("__str__", "amount", "status_badge", "reason", "opened_at", "closed_at")
    list_filter = (("status", ChoicesDropdownFilter), ("payment__workspace", ScopedRelatedFilter), "opened_at")
    list_select_related = ("payment__workspace",)
    search_fields = ("=id", "=stripe_dispute_id", "=payment__id", "=payment__payment_intent_id")
    fields = (("status_badge", "amount"), ("payment_link", "reason"), "stripe_dispute_id", ("opened_at", "closed_at"))
    status_badge = status_badge("status")
    payment_link = link_column("payment", "payment")

    @display(description="amount", ordering="amount_minor")
    def amount(self, dispute: Dispute) -> str:
        return str(Money(dispute.amount_minor, dispute.payment.currency))
