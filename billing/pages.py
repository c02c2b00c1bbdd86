from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from accounts.models import User
from accounts.sign_in import proven_address
from core.errors import NotFound

from .invoice_pdf import render_invoice
from .queries import get_invoice_for


@require_safe
@never_cache
@login_required
def show_invoice(request: HttpRequest, cuid: str) -> HttpResponse:
    """An invoice as a PDF, for who paid it and for the learner's family."""
    user = request.user
    assert isinstance(user, User)
    email = proven_address(user=user)
    if email is None:
        raise Http404
    try:
        invoice = get_invoice_for(email=email, user_id=user.pk, cuid=cuid)
    except NotFound as error:
        raise Http404 from error
    name = f'inline; filename="invoice-{invoice.number}.pdf"'
    return HttpResponse(render_invoice(invoice), content_type="application/pdf", headers={"Content-Disposition": name})
