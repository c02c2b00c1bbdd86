"""Money, without knowing what it buys: a checkout has a `purpose` and an opaque `subject` that the apps above read."""

from .checkouts import Checkout, CheckoutQuerySet, Price
from .inbox import ReconciliationRun, StripeEvent
from .invoices import Invoice, InvoiceSeries
from .payments import Dispute, Payment, Refund

__all__ = [
    "Checkout",
    "CheckoutQuerySet",
    "Dispute",
    "Invoice",
    "InvoiceSeries",
    "Payment",
    "Price",
    "ReconciliationRun",
    "Refund",
    "StripeEvent",
]
