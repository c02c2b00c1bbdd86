"""What moving money brings, told beforehand to staff: the one place for every button that sends some back."""

from core.money import Money

from .models import Invoice, Payment


def tell_refund(payment: Payment, amount: Money) -> list[str]:
    """Where the money goes, and which paper follows."""
    payer = payment.checkout.payer_email if payment.checkout else ""
    return [f"{amount} goes back to {payer or 'the payer'}.", *tell_correction(payment)]


def tell_correction(payment: Payment) -> list[str]:
    """The correction that follows once money is back; none without an invoice to correct."""
    invoice = Invoice.objects.standing().filter(payment=payment, corrects=None).first()
    if invoice is None:
        return []
    return [f"A correction of invoice {invoice.number or 'that is being issued'} follows once the money is back."]
