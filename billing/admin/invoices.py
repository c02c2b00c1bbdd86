from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display
from unfold.enums import ActionVariant

from accounts.roles import Power
from backoffice.actions import ConfirmForm, StaffForm, staff_action
from backoffice.display import NOTHING, link_column, money_column, register_subject, status_badge
from backoffice.previews import Preview
from backoffice.scoping import ScopedRelatedFilter, actor_of
from core.addresses import AddressFormField
from core.clock import utc_now
from core.errors import DomainError
from core.money import Money

from ..consequences import tell_replacement
from ..invoice_files import fetch_invoice, file_name
from ..invoicing import (
    Buyer,
    InvoiceLine,
    check_replaceable,
    record_issued_by_hand,
    replace_invoice,
    retry_invoice,
)
from ..models import Invoice
from ..states import InvoiceProvider, InvoiceStatus
from .currencies import CurrencyFilter
from .display import AboutMoney

register_subject("invoice", Invoice)


class ByHandForm(StaffForm):
    number = forms.CharField(max_length=40, help_text="The number of the document that you issued.")
    date = forms.DateField(label="Date of issue", widget=forms.DateInput(attrs={"type": "date"}))


class BuyerForm(StaffForm):
    """The new invoice's buyer; it starts with the old invoice's data."""

    name = forms.CharField(max_length=200)
    tax_id = forms.CharField(label="Tax id", max_length=30, required=False, help_text="For companies.")
    address = forms.CharField(max_length=500, required=False, widget=forms.Textarea(attrs={"rows": 3}))
    email = AddressFormField()
    reason = forms.CharField(
        max_length=300,
        help_text="Why the old one is canceled. It is printed on it.",
        widget=forms.Textarea(attrs={"rows": 2}),
    )

    def prepare(self) -> None:
        for name in ("name", "tax_id", "address", "email"):
            self.initial[name] = getattr(self.row, f"buyer_{name}")

    def buyer(self) -> Buyer:
        told = self.cleaned_data
        return Buyer(email=told["email"], name=told["name"], address=told["address"], tax_id=told["tax_id"])


def foresee_replacement(invoice: Invoice, form: BuyerForm) -> Preview:
    """Return which document becomes void and which one counts. Raises InvoiceNotReplaceable."""
    check_replaceable(invoice)
    return Preview(tuple(tell_replacement(invoice, form.buyer())))


def has_failed(invoice: Invoice) -> bool:
    return bool(invoice.status == InvoiceStatus.FAILED)


def is_replaceable(invoice: Invoice) -> bool:
    return bool(invoice.status == InvoiceStatus.ISSUED) and invoice.corrects_id is None


@admin.register(Invoice)
class InvoiceAdmin(AboutMoney):
    """Invoices and their corrections, as they were issued; nobody changes one."""

    money_path = "payment"
    list_display = ("__str__", "who", "what", "amount", "status_badge", "workspace", "issued_at", "pdf")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("workspace", ScopedRelatedFilter),
        ("corrects", admin.EmptyFieldListFilter),
        ("currency", CurrencyFilter),
        "issued_at",
    )
    list_select_related = ("workspace", "payment__checkout", "corrects")
    search_fields = ("number__exact", "buyer_email__istartswith", "buyer_name__istartswith", "buyer_tax_id__exact")
    search_through = ("payment",)
    search_help_text = "Number, learner, buyer, tax id, payment number"
    date_hierarchy = "requested_at"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("number", "status_badge"),
                    ("amount", "tax"),
                    ("issued_at", "provider"),
                    ("payment_link", "corrected"),
                    ("reason", "pdf"),
                )
            },
        ),
        (
            "From and to",
            {
                "fields": (
                    ("seller_name", "seller_tax_id"),
                    ("seller_address", "workspace"),
                    ("buyer_name", "buyer_tax_id"),
                    ("buyer_address", "buyer_email"),
                )
            },
        ),
    )
    vendor_fieldset = (
        "At the invoicing service",
        {"fields": (("external_id", "e_invoice_state"), ("attempts", "next_attempt_at"), "last_error")},
    )
    actions_detail = ("try_again", "issued_by_hand", "replace")
    status_badge = status_badge("status")
    amount = money_column("amount_minor", "amount")
    payment_link = link_column("payment", "payment")
    corrected = link_column("corrects", "corrects")

    def describe(self, row: Invoice) -> str:
        return f"{row}, {super().describe(row)}"

    @display(description="learner and buyer", ordering="buyer_email", header=True)
    def who(self, row: Invoice) -> tuple[str, str]:
        return self.matter_of(row).learner or NOTHING, row.buyer_name or row.buyer_email

    def get_fieldsets(self, request: HttpRequest, obj: Invoice | None = None) -> Any:
        fieldsets = super().get_fieldsets(request, obj)
        issued_here = obj is None or obj.provider == InvoiceProvider.LOCAL
        return fieldsets if issued_here else (*fieldsets, self.vendor_fieldset)

    @display(description="tax included")
    def tax(self, invoice: Invoice) -> str:
        lines = [InvoiceLine.read(line) for line in invoice.lines]
        if all(line.tax_rate is None for line in lines):
            return "None stated"
        return str(Money(sum(line.tax_minor for line in lines), invoice.currency))

    @staff_action(
        description="Try again",
        power=Power.MONEY,
        possible=has_failed,
        form=ConfirmForm,
        icon="refresh",
        explanation=(
            "Requests this document from the invoicing service again with the same data: "
            "nothing on it can be changed. If the service refused the data, issue the "
            "document there by hand."
        ),
    )
    def try_again(self, request: HttpRequest, invoice: Invoice, form: StaffForm) -> str:
        retry_invoice(invoice_id=invoice.pk, actor=actor_of(request), now=utc_now())
        return "The invoicing service will be asked again in a moment."

    @staff_action(
        description="Issued by hand",
        power=Power.MONEY,
        possible=has_failed,
        form=ByHandForm,
        icon="edit_document",
        explanation=(
            "For a document that you issued yourself because the invoicing service refused "
            "ours. It counts as issued under the number that you enter."
        ),
    )
    def issued_by_hand(self, request: HttpRequest, invoice: Invoice, form: StaffForm) -> str:
        record_issued_by_hand(
            invoice_id=invoice.pk,
            number=form.cleaned_data["number"],
            date=form.cleaned_data["date"],
            actor=actor_of(request),
            now=utc_now(),
        )
        return f"It is recorded as {form.cleaned_data['number']}."

    @staff_action(
        description="Replace",
        power=Power.MONEY,
        possible=is_replaceable,
        form=BuyerForm,
        preview=foresee_replacement,
        icon="find_replace",
        variant=ActionVariant.DANGER,
        explanation="This invoice is canceled, keeps its number, and a new one for the same money is issued to the "
        "buyer below. For money that goes back, refund the payment instead: that issues a correction.",
    )
    def replace(self, request: HttpRequest, invoice: Invoice, form: BuyerForm) -> HttpResponse:
        replacement = replace_invoice(
            invoice_id=invoice.pk,
            buyer=form.buyer(),
            reason=form.cleaned_data["reason"],
            actor=actor_of(request),
            now=utc_now(),
        )
        messages.success(request, f"{invoice} is canceled. This one replaces it.")
        return HttpResponseRedirect(reverse("admin:billing_invoice_change", args=[replacement.pk]))

    @display(description="PDF")
    def pdf(self, invoice: Invoice) -> str:
        if not invoice.number:
            return "Not issued yet"
        return format_html(
            '<a class="text-link" href="{}">PDF</a>', reverse("admin:billing_invoice_pdf", args=[invoice.pk])
        )

    def get_urls(self) -> list[URLPattern]:
        download = self.admin_site.admin_view(self.download)
        return [path("<path:object_id>/pdf/", download, name="billing_invoice_pdf"), *super().get_urls()]

    def download(self, request: HttpRequest, object_id: str) -> HttpResponse:
        invoice: Any = self.get_visible(request, object_id)
        if invoice is None:
            raise Http404("There is no such invoice.")
        try:
            paper = fetch_invoice(invoice)
        except DomainError as refusal:
            messages.error(request, refusal.detail)
            return HttpResponseRedirect(reverse("admin:billing_invoice_change", args=[invoice.pk]))
        name = f'attachment; filename="{file_name(invoice)}"'
        return HttpResponse(paper, content_type="application/pdf", headers={"Content-Disposition": name})
