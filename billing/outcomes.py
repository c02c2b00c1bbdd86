"""How a purchase stands for its payer: one answer from its checkout, its payment, and that payment's refunds.

The pages after paying, a family's lists, and the API all follow this rule. The apps above say what the money bought (a
place, an enrollment).
"""

import datetime as dt
from dataclasses import dataclass

from django.db import models
from django.utils.translation import gettext_lazy as _

from core.money import Money

from .models import Checkout, Payment
from .states import FAILED_REFUNDS, NO_MONEY_YET, CheckoutStatus


class Outcome(models.TextChoices):
    TO_PAY = "to_pay", _("Waiting for your payment")
    # Stripe could not be reached, or its answer is being processed
    CONFIRMING = "confirming", _("Confirming your payment")
    PROCESSING = "processing", _("Payment on its way")  # a bank debit takes days
    PAID = "paid", _("Paid")  # all or part of the money is here
    REFUNDED = "refunded", _("Refunded")  # all of it went back, or is about to
    FAILED = "payment_failed", _("Payment failed")
    EXPIRED = "payment_expired", _("Payment time ran out")
    CANCELLED = "payment_cancelled", _("Payment canceled")
    NOT_PAYABLE = "not_payable", _("Payment not possible yet")  # Stripe refuses the price; staff know


# Nothing was paid in the end, and nothing will be.
UNPAID_IN_THE_END = (Outcome.FAILED, Outcome.EXPIRED, Outcome.CANCELLED, Outcome.NOT_PAYABLE)

_BY_CHECKOUT = {
    CheckoutStatus.PAID: Outcome.CONFIRMING,  # its payment is about to be recorded
    CheckoutStatus.PROCESSING: Outcome.PROCESSING,
    CheckoutStatus.FAILED: Outcome.FAILED,
    CheckoutStatus.EXPIRED: Outcome.EXPIRED,
    CheckoutStatus.CANCELLED: Outcome.CANCELLED,
    CheckoutStatus.REFUSED: Outcome.NOT_PAYABLE,
}


@dataclass(frozen=True, slots=True)
class Purchase:
    """One checkout and its result, as its payer sees it."""

    checkout: Checkout
    payment: Payment | None
    outcome: Outcome

    @property
    def unfulfilled(self) -> Outcome:
        """How it stands while the money has brought nothing: a paid purchase is still being processed."""
        return Outcome.CONFIRMING if self.outcome == Outcome.PAID else self.outcome

    @property
    def amount(self) -> Money:
        return (self.payment or self.checkout).money

    @property
    def pay_url(self) -> str:
        """Where to pay, while that is possible."""
        return self.checkout.url if self.outcome == Outcome.TO_PAY else ""

    @property
    def refunded(self) -> Money | None:
        """What went back or is on its way back; None if nothing is."""
        return _refunded(self.payment) if self.payment else None

    @property
    def refund_reason(self) -> str:
        """Why money goes back, as RefundReason; empty if none does."""
        refunds = sorted(self.payment.refunds.all(), key=lambda each: -each.pk) if self.payment else ()
        return next((refund.reason for refund in refunds if refund.status not in FAILED_REFUNDS), "")


def view_purchase(*, checkout: Checkout, now: dt.datetime, is_confirmed: bool = True) -> Purchase:
    """Return how a purchase stands, by its payments and refunds, which are fetched now unless the checkout has them.

    `is_confirmed` says whether Stripe has confirmed that an open checkout is open.
    """
    received = (payment for payment in checkout.payments.all() if payment.status not in NO_MONEY_YET)
    payment = min(received, key=lambda payment: payment.pk, default=None)
    return Purchase(checkout, payment, _outcome(checkout, payment, is_confirmed, now))


def _outcome(checkout: Checkout, payment: Payment | None, is_confirmed: bool, now: dt.datetime) -> Outcome:
    if payment is not None:
        return Outcome.REFUNDED if _refunded(payment) == payment.money else Outcome.PAID
    if checkout.status != CheckoutStatus.OPEN:
        return _BY_CHECKOUT[CheckoutStatus(checkout.status)]
    if is_confirmed and checkout.cancel_requested_at:
        return Outcome.CANCELLED
    return Outcome.TO_PAY if is_confirmed and checkout.url and checkout.expires_at > now else Outcome.CONFIRMING


def _refunded(payment: Payment) -> Money | None:
    coming = sum(refund.amount_minor for refund in payment.refunds.all() if refund.status not in FAILED_REFUNDS)
    minor = max(coming, payment.refunded_minor)
    return Money(minor, payment.currency) if minor else None
