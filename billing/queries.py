"""Reads that more than one caller needs."""

from django.db.models import Q

from accounts.models import Learner
from enrollment_project.core.errors import NotFound

from .models import Invoice
from .purposes import find_learner_id


def get_invoice_for(*, email: str, user_id: int, cuid: str) -> Invoice:
    """One invoice, for who paid it and for the family of the learner it was paid for, by their proven address.

    Raises NotFound, also for other people's.
    """
    invoice = Invoice.objects.select_related("corrects", "payment").filter(cuid=cuid).first()
    if invoice is None or not (invoice.buyer_email == email or _is_family(invoice, email, user_id)):
        raise NotFound("There is no such invoice among yours.")
    return invoice


def _is_family(invoice: Invoice, email: str, user_id: int) -> bool:
    learner_id = find_learner_id(invoice.payment.purpose, invoice.payment.subject)
    family = Q(user=user_id) | Q(email=email) | Q(guardians__email=email)
    return Learner.objects.filter(family, pk=learner_id or 0).exists()
