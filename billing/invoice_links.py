"""The address at which whoever was given it may read the invoice of a payment.

It exists as soon as the payment does, names the payment and the number of its link, and is signed by us; nothing secret
is kept. Revoking raises the number, and with it every address that was given out before stops working.
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
    """The address as it is now."""
    token = _signer.sign(f"{payment.pk}-{payment.invoice_link}")
    return f"{settings.PUBLIC_URL}{reverse('invoice-link', args=[token])}"


def find_linked_payment(token: str) -> Payment:
    """The payment whose invoice an address leads to. Raises NotFound for one that is forged or was revoked."""
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
    """End the addresses that were given out; the API and mails tell another one from now on. Raises NotFound."""
    if not Payment.objects.filter(pk=payment_id).update(invoice_link=F("invoice_link") + 1):
        raise NotFound("There is no such payment.")
    return Payment.objects.get(pk=payment_id)


_GONE = "This address leads to no invoice."
