"""Which payment paid for an enrollment: for a routing decision, for a sale of the apps above, or outside of Stripe."""

import datetime as dt
from collections.abc import Sequence

from billing.invoice_links import invoice_url
from billing.models import Payment
from billing.purposes import as_subject, key_of
from billing.states import NO_MONEY_YET

from .models import Enrollment, EnrollmentDecision
from .sellers import find_sales
from .states import OFFLINE_PURPOSE


def find_payments(enrollments: Sequence[Enrollment], *, now: dt.datetime) -> dict[int, Payment]:
    """Return, by enrollment id, the latest payment that counts, or did before it was refunded, for each enrollment that
    has one; a constant number of queries.
    """
    ids = [enrollment.pk for enrollment in enrollments]
    found: dict[int, list[Payment]] = {pk: [] for pk in ids}
    for sold, sale in find_sales(ids, now).items():
        found[sold] += sale.checkout.payments.all()
    decided = EnrollmentDecision.objects.filter(enrollment__in=ids, payment__isnull=False).select_related("payment")
    for decision in decided:
        if decision.payment is not None:
            found[decision.enrollment_id].append(decision.payment)
    for payment in Payment.objects.filter(purpose=OFFLINE_PURPOSE, subject__in=[as_subject(pk) for pk in ids]):
        found[key_of(payment.subject)].append(payment)
    counted = {pk: [each for each in each_of if each.status not in NO_MONEY_YET] for pk, each_of in found.items()}
    return {pk: max(those, key=lambda payment: payment.pk) for pk, those in counted.items() if those}


def find_invoice_urls(enrollments: Sequence[Enrollment], *, now: dt.datetime) -> dict[int, str]:
    """Return the URL of the invoice of each paid enrollment; anybody who has the URL can read it."""
    return {pk: invoice_url(payment) for pk, payment in find_payments(enrollments, now=now).items()}
