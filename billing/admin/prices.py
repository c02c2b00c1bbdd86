from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from accounts.roles import Power
from backoffice.display import money_column, register_subject
from backoffice.money import MoneyField
from backoffice.scoping import ScopedRelatedFilter, WorkspaceModelForm, WorkspaceScopedAdmin
from core.errors import Invalid
from core.money import Money

from ..models import Price
from ..prices import check_chargeable
from .currencies import CurrencyFilter

register_subject("price", Price)


class PriceForm(WorkspaceModelForm):
    amount = MoneyField(help_text="In the currency beside it: 49.00 in USD, 4900 in JPY.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        amount = self.fields.get("amount")
        if isinstance(amount, MoneyField):  # the field is not on the form once the price was charged
            amount.currency = str(self.data.get("currency") or self.instance.currency).strip().lower()
            amount.initial = self.instance.amount_minor

    def clean_currency(self) -> str:
        return str(self.cleaned_data["currency"]).lower()

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        amount = cleaned.get("amount")
        currency = cleaned.get("currency")
        if amount is None or currency is None:
            return cleaned
        self.instance.amount_minor = amount
        try:
            check_chargeable(Money(amount, currency))
        except Invalid as refusal:
            for fault in refusal.errors:
                self.add_error(fault.field, fault.detail)
        return cleaned


@admin.register(Price)
class PriceAdmin(WorkspaceScopedAdmin):
    add_power = Power.MONEY
    change_power = Power.MONEY
    form = PriceForm
    ordering = ("name", "id")
    list_display = ("name", "amount", "workspace", "active", "created_at")
    list_filter = (("workspace", ScopedRelatedFilter), "active", ("currency", CurrencyFilter))
    list_select_related = ("workspace",)
    search_fields = ("name", "=stripe_price_id")
    readonly_fields = ("created_at",)
    fields = ("workspace", "name", ("amount", "currency"), ("tax_rate", "stripe_price_id"), "active", "created_at")
    amount = money_column("amount_minor", "amount")

    def get_readonly_fields(self, request: HttpRequest, obj: Price | None = None) -> list[str]:
        """Make a charged price read-only: a new price replaces it."""
        fields = super().get_readonly_fields(request, obj)
        charged = obj is not None and obj.checkouts.exists()
        return [*fields, "amount", "currency", "tax_rate", "stripe_price_id"] if charged else fields
