from typing import Any

from django import forms
from django.contrib import admin
from unfold.widgets import INPUT_CLASSES, UnfoldAdminURLInputWidget

from accounts.roles import Power
from backoffice.display import register_subject
from backoffice.scoping import ScopedRelatedFilter, WorkspaceModelForm, WorkspaceScopedAdmin
from core.outbound import fault_of_address

from ..models import Invoice, Seller
from ..states import InvoiceProvider

register_subject("seller", Seller)

KEPT = "Leave it empty to keep the stored one. It is never shown."


class SellerForm(WorkspaceModelForm):
    """The token is written and never shown: an empty field keeps the stored one."""

    base_url = forms.URLField(
        max_length=200,
        required=False,
        assume_scheme="https",
        widget=UnfoldAdminURLInputWidget,
        label="Address of the account",
        help_text="Fakturownia only: https://your-account.fakturownia.pl",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        token = self.fields.get("api_token")
        if token is not None:
            token.widget = forms.PasswordInput(attrs={"autocomplete": "new-password", "class": " ".join(INPUT_CLASSES)})
            token.help_text = KEPT if self.instance.api_token else "Fakturownia only: Settings > Integration."
            self._stored = self.instance.api_token

    def clean_base_url(self) -> str:
        address = str(self.cleaned_data["base_url"])
        if address and (fault := fault_of_address(address)):
            raise forms.ValidationError(fault, code="not_allowed")
        return address

    def clean_api_token(self) -> str:
        return str(self.cleaned_data["api_token"]).strip() or self._stored

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if cleaned.get("provider") == InvoiceProvider.FAKTUROWNIA:
            for name, missing in (
                ("base_url", "Enter the address of the account: https://your-account.fakturownia.pl"),
                ("api_token", "Enter the account's API token."),
            ):
                if name in cleaned and not cleaned[name]:
                    self.add_error(name, missing)
        elif cleaned.get("base_url") == "" and self._has_issued_there():
            self.add_error("base_url", "Keep the address: what was issued there is corrected and shown from there.")
        return cleaned

    def _has_issued_there(self) -> bool:
        """Return whether the vendor has documents of the workspace, or is to issue some."""
        documents = Invoice.objects.filter(provider=InvoiceProvider.FAKTUROWNIA)
        return self.instance.pk is not None and documents.filter(workspace=self.instance.workspace_id).exists()


@admin.register(Seller)
class SellerAdmin(WorkspaceScopedAdmin):
    """A workspace's data on its invoices, and who issues them. Issued invoices keep what they say."""

    add_power = Power.MONEY
    change_power = Power.MONEY
    form = SellerForm
    list_display = ("name", "tax_id", "workspace", "provider")
    list_filter = (("workspace", ScopedRelatedFilter), "provider")
    list_select_related = ("workspace",)
    search_fields = ("name__istartswith", "=tax_id")
    search_help_text = "Name, tax id"
    fieldsets = (
        (None, {"fields": ("workspace", ("name", "tax_id"), "address", "footer")}),
        ("Where invoices are issued", {"fields": ("provider", "base_url", "api_token")}),
    )
