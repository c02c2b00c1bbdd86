"""Money, without knowing what it buys: a checkout has a `purpose` and an opaque `subject` that the apps above read."""

from .books import LedgerLine, MonthClose
from .checkouts import Checkout, CheckoutQuerySet, Price
from .inbox import ReconciliationRun, StripeEvent, is_about
from .invoices import Invoice, InvoiceQuerySet, InvoiceSeries, Seller
from .mismatches import Mismatch
from .payments import Dispute, Payment, Refund
from .payouts import Payout, PayoutLine
from .vouchers import CODE_PATTERN, Discount, DiscountQuerySet, Voucher, VoucherQuerySet

__all__ = [
    "CODE_PATTERN",
    "Checkout",
    "CheckoutQuerySet",
    "Discount",
    "DiscountQuerySet",
    "Dispute",
    "Invoice",
    "InvoiceQuerySet",
    "InvoiceSeries",
    "LedgerLine",
    "Mismatch",
    "MonthClose",
    "Payment",
    "Payout",
    "PayoutLine",
    "Price",
    "ReconciliationRun",
    "Refund",
    "Seller",
    "StripeEvent",
    "Voucher",
    "VoucherQuerySet",
    "is_about",
]
