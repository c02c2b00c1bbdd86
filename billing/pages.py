from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from accounts.family_pages import for_families
from accounts.models import User
from core.errors import NotFound

from .errors import InvoiceRefused, InvoicingDown
from .invoice_files import InvoiceNotIssued, InvoiceNotReady, fetch_invoice, file_name
from .invoice_links import find_linked_payment
from .models import Invoice
from .queries import find_standing_invoice, get_invoice_for


@require_safe
@for_families
def show_invoice(request: HttpRequest, user: User, cuid: str) -> HttpResponse:
    """Show an invoice as a PDF to the person who paid it and to the learner's family."""
    try:
        invoice = get_invoice_for(user=user, cuid=cuid)
    except NotFound as error:
        raise Http404 from error
    return serve_invoice(request, invoice)


@require_safe
def show_linked_invoice(request: HttpRequest, token: str) -> HttpResponse:
    """Show a payment's invoice as a PDF to anybody who was given this URL."""
    try:
        payment = find_linked_payment(token)
    except NotFound as error:
        raise Http404 from error
    invoice = find_standing_invoice(payment)
    if invoice is None:
        return _being_issued(request)
    answer = serve_invoice(request, invoice)
    answer["Referrer-Policy"] = "no-referrer"  # the URL works like a key
    answer["X-Robots-Tag"] = "noindex"
    return answer


def serve_invoice(request: HttpRequest, invoice: Invoice) -> HttpResponse:
    """Return the PDF for viewing, or a page that says why it is not ready yet and how to try again."""
    try:
        paper = fetch_invoice(invoice)
    except InvoiceNotIssued:
        message = _("Your payment has arrived. Its invoice could not be issued yet, and staff have been told.")
        return _not_ready(request, _("Your invoice takes longer than usual"), message, status=202)
    except InvoiceNotReady:
        return _being_issued(request)
    except (InvoicingDown, InvoiceRefused):
        message = _("The service that keeps our invoices does not answer just now. Nothing is lost.")
        return _not_ready(request, _("Your invoice can't be shown just now"), message, status=503)
    name = f'inline; filename="{file_name(invoice)}"'
    return HttpResponse(paper, content_type="application/pdf", headers={"Content-Disposition": name})


def _being_issued(request: HttpRequest) -> HttpResponse:
    message = _("Your payment has arrived, and its invoice is being issued. That takes a few minutes at most times.")
    return _not_ready(request, _("Your invoice is being issued"), message, status=202)


def _not_ready(request: HttpRequest, title: str, message: str, *, status: int) -> HttpResponse:
    context = {"title": title, "message": message, "here": request.get_full_path()}
    answer = render(request, "billing/invoice_not_ready.html", context, status=status)
    answer["Retry-After"] = "60"
    return answer
