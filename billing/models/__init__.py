"""Money, without knowing what it buys: a checkout has a `purpose` and an opaque `subject` that the apps above read."""

from .checkouts import Checkout, Price
from .inbox import ReconciliationRun, StripeEvent
from .payments import Dispute, Payment, Refund

__all__ = ["Checkout", "Dispute", "Payment", "Price", "ReconciliationRun", "Refund", "StripeEvent"]
