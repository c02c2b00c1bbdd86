"""The PDF of an invoice, wherever it was issued."""

from django.utils.text import get_valid_filename

from core.errors import DomainError

from .errors import InvoicingDown
from .gateways.fakturownia import get_invoice_gateway
from .invoice_pdf import render_invoice
from .models import Invoice, Seller
from .states import UNISSUED_INVOICES, InvoiceProvider


class InvoiceNotReady(DomainError):
    """The invoicing service has not issued it yet."""

    code = "invoice_not_ready"
    title = "This invoice has not been issued yet"


def fetch_invoice(invoice: Invoice) -> bytes:
    """Ours is printed here; a vendor's is fetched from the vendor, outside of any transaction. One that staff issued by
    hand is not known to the vendor's API, and printed here with the number that staff gave.

    Raises InvoiceNotReady, InvoicingDown, InvoiceRefused.
    """
    if invoice.status in UNISSUED_INVOICES:
        raise InvoiceNotReady("It is being issued. Look again in a few minutes.")
    if not is_kept_by_vendor(invoice):
        return render_invoice(invoice)
    seller = Seller.objects.filter(workspace=invoice.workspace_id).first()
    if seller is None:
        raise InvoicingDown("The account where it was issued is not set up any longer.", was_asked=False)
    return get_invoice_gateway(seller).fetch_pdf(invoice.external_id)


def file_name(invoice: Invoice) -> str:
    """As a browser saves it: a vendor's number may have slashes in it and more."""
    return f"invoice-{get_valid_filename(invoice.number.replace('/', '-'))}.pdf"


def is_kept_by_vendor(invoice: Invoice) -> bool:
    """Whether its PDF is at the vendor, so that asking for it takes a call."""
    return invoice.provider != InvoiceProvider.LOCAL and bool(invoice.external_id)
