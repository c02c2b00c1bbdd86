"""The PDF of an invoice, wherever it was issued."""

from django.utils.text import get_valid_filename

from core.errors import DomainError

from .errors import InvoicingDown
from .gateways.fakturownia import get_invoice_gateway
from .invoice_pdf import render_invoice
from .models import Invoice, Seller
from .states import UNISSUED_INVOICES, InvoiceProvider, InvoiceStatus


class InvoiceNotReady(DomainError):
    """The invoicing service has not issued the invoice yet."""

    code = "invoice_not_ready"
    title = "This invoice has not been issued yet"


class InvoiceNotIssued(InvoiceNotReady):
    """The invoicing service did not issue the invoice, and staff have to."""

    code = "invoice_not_issued"
    title = "This invoice could not be issued"


def fetch_invoice(invoice: Invoice) -> bytes:
    """Return the PDF. Ours is printed here; a vendor's is fetched from the vendor, outside of any transaction. The
    vendor's API does not know an invoice that staff issued by hand, so it is printed here with the number that staff
    gave.

    Raises InvoiceNotReady, InvoicingDown, InvoiceRefused.
    """
    if invoice.status == InvoiceStatus.FAILED:
        raise InvoiceNotIssued("The invoicing service did not issue it. Try again, or issue it by hand.")
    if invoice.status in UNISSUED_INVOICES:
        raise InvoiceNotReady("It is being issued. Look again in a few minutes.")
    if not is_kept_by_vendor(invoice):
        return render_invoice(invoice)
    seller = Seller.objects.filter(workspace=invoice.workspace_id).first()
    if seller is None:
        raise InvoicingDown("The account where it was issued is not set up any longer.", was_asked=False)
    return get_invoice_gateway(seller).fetch_pdf(invoice.external_id)


def file_name(invoice: Invoice) -> str:
    """Return the file name for a browser: a vendor's number may contain slashes and other special characters."""
    return f"invoice-{get_valid_filename(invoice.number.replace('/', '-'))}.pdf"


def is_kept_by_vendor(invoice: Invoice) -> bool:
    """Return whether the vendor keeps the PDF, so that getting it requires a call."""
    return invoice.provider != InvoiceProvider.LOCAL and bool(invoice.external_id)
