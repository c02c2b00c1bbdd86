"""Money, without knowing what it buys: a checkout has a `purpose` and an opaque `subject` that the apps above read."""

from .checkouts import Checkout, CheckoutQuerySet, Price
from .inbox import ReconciliationRun, StripeEvent
from .invoices import Invoice, InvoiceQuerySet, InvoiceSeries, Seller
from .payments import Dispute, Payment, Refund
from .payouts import Payout, PayoutLine

__all__ = [
    "Checkout",
    "CheckoutQuerySet",
    "Dispute",
    "Invoice",
    "InvoiceQuerySet",
    "InvoiceSeries",
    "Payment",
    "Payout",
    "PayoutLine",
    "Price",
    "ReconciliationRun",
    "Refund",
    "Seller",
    "StripeEvent",
]
