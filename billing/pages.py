from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from accounts.family_pages import for_families
from accounts.models import User
from core.errors import NotFound

from .invoice_pdf import render_invoice
from .queries import get_invoice_for


@require_safe
@for_families
def show_invoice(request: HttpRequest, user: User, cuid: str) -> HttpResponse:
    """An invoice as a PDF, for who paid it and for the learner's family."""
    try:
        invoice = get_invoice_for(user=user, cuid=cuid)
    except NotFound as error:
        raise Http404 from error
    name = f'inline; filename="invoice-{invoice.number}.pdf"'
    return HttpResponse(render_invoice(invoice), content_type="application/pdf", headers={"Content-Disposition": name})
