"""The URL at which anybody who has it may read a payment's invoice.

It exists as soon as the payment does, contains the payment's id and the number of its link, and is signed by us;
nothing secret is stored. Revoking increases the number, and every URL given out before stops working.
"""

from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.db.models import F
from django.urls import reverse

from core.errors import NotFound

from .models import Payment
from .states import NO_MONEY_YET

_signer = Signer(salt="billing.invoice_links", sep=".")


def invoice_url(payment: Payment) -> str:
    """Return the current URL."""
    token = _signer.sign(f"{payment.pk}-{payment.invoice_link}")
    return f"{settings.PUBLIC_URL}{reverse('invoice-link', args=[token])}"


def find_linked_payment(token: str) -> Payment:
    """Return the payment whose invoice a URL leads to. Raises NotFound for a forged or revoked one."""
    try:
        number, _, link = _signer.unsign(token).partition("-")
    except BadSignature as error:
        raise NotFound(_GONE) from error
    found = Payment.objects.filter(pk=int(number), invoice_link=int(link))  # we signed them
    payment = found.exclude(status__in=NO_MONEY_YET).first()
    if payment is None:
        raise NotFound(_GONE)
    return payment


def revoke_invoice_link(*, payment_id: int) -> Payment:
    """Revoke the URLs that were given out; the API and mails show a new one from now on. Raises NotFound."""
    if not Payment.objects.filter(pk=payment_id).update(invoice_link=F("invoice_link") + 1):
        raise NotFound("There is no such payment.")
    return Payment.objects.get(pk=payment_id)


_GONE = "This address leads to no invoice."
