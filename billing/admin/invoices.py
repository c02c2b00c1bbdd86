from typing import Any

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from unfold.decorators import display

from backoffice.display import Card, link_column, money_column, neighbor, neighbors_of, register_subject
from backoffice.scoping import ScopedRelatedFilter, WorkspaceScopedAdmin

from ..invoice_pdf import render_invoice
from ..models import Invoice, Payment

register_subject("invoice", Invoice)


@admin.register(Invoice)
class InvoiceAdmin(WorkspaceScopedAdmin):
    """Invoices and their corrections, as they were issued; nobody changes one."""

    list_display = ("__str__", "amount", "buyer", "payment_link", "workspace", "issued_at", "pdf")
    list_filter = (
        ("workspace", ScopedRelatedFilter),
        ("corrects", admin.EmptyFieldListFilter),
        "currency",
        "issued_at",
    )
    list_select_related = ("workspace", "payment", "corrects")
    search_fields = ("=number", "buyer_email__istartswith", "buyer_name__istartswith", "=payment__id")
    search_help_text = "Number, buyer, payment number"
    date_hierarchy = "issued_at"
    fieldsets = (
        (None, {"fields": (("number", "amount"), ("issued_at", "provider"), ("payment_link", "corrected"), "pdf")}),
        ("From and to", {"fields": (("seller_name", "workspace"), ("buyer_name", "buyer_email"), "buyer_address")}),
    )
    amount = money_column("amount_minor", "amount")
    payment_link = link_column("payment", "payment")
    corrected = link_column("corrects", "corrects")

    @display(description="buyer", ordering="buyer_email")
    def buyer(self, invoice: Invoice) -> str:
        return invoice.buyer_name or invoice.buyer_email

    @display(description="PDF")
    def pdf(self, invoice: Invoice) -> str:
        return format_html(
            '<a class="text-link" href="{}">Download</a>', reverse("admin:billing_invoice_pdf", args=[invoice.pk])
        )

    def get_urls(self) -> list[URLPattern]:
        download = self.admin_site.admin_view(self.download)
        return [path("<path:object_id>/pdf/", download, name="billing_invoice_pdf"), *super().get_urls()]

    def download(self, request: HttpRequest, object_id: str) -> HttpResponse:
        invoice: Any = self.get_visible(request, object_id)
        if invoice is None:
            raise Http404("There is no such invoice.")
        name = f'attachment; filename="invoice-{invoice.number}.pdf"'
        return HttpResponse(
            render_invoice(invoice), content_type="application/pdf", headers={"Content-Disposition": name}
        )


@neighbors_of(Payment)
def invoices_of_payment(request: HttpRequest, payment: Payment) -> Card:
    rows = [
        neighbor(invoice, note=invoice.money, at=invoice.issued_at) for invoice in payment.invoices.order_by("-id")[:20]
    ]
    return Card("Invoices", rows, empty="None was issued.")
