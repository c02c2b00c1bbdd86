from django.db import models
from django.utils.translation import gettext_lazy as _


class CheckoutStatus(models.TextChoices):
    # the payer may still pay; without a Stripe session id the intent is recorded but not yet sent
    OPEN = "open", "Open"
    PAID = "paid", "Paid"  # Stripe says the whole amount is there
    PROCESSING = "processing", "Processing"  # an asynchronous method was chosen; the bank has days to answer
    FAILED = "failed", "Failed"  # the asynchronous method did not go through
    EXPIRED = "expired", "Expired"  # Stripe says it ended unpaid
    CANCELLED = "cancelled", "Canceled"  # ended early by us, confirmed by Stripe
    REFUSED = "refused", "Refused"  # Stripe will not ask for this money: the price, or the account, has to be fixed


# Checkouts in these states may still bring money.
LIVE_CHECKOUTS = (CheckoutStatus.OPEN, CheckoutStatus.PROCESSING)


class PaymentStatus(models.TextChoices):
    PENDING = "pending", _("Pending")  # money is on its way
    PAID = "paid", _("Paid")
    PARTIALLY_REFUNDED = "partially_refunded", _("Partially refunded")
    REFUNDED = "refunded", _("Refunded")
    FAILED = "failed", _("Failed")
    DISPUTED = "disputed", _("Disputed")  # the payer's bank contests it; access stays until all the money is back


# The bank has not confirmed.
NO_MONEY_YET = (PaymentStatus.PENDING, PaymentStatus.FAILED)
# Money that is or was here, and that can be sent back.
REFUNDABLE = (PaymentStatus.PAID, PaymentStatus.PARTIALLY_REFUNDED, PaymentStatus.DISPUTED)


class PaymentMethod(models.TextChoices):
    STRIPE = "stripe", "Stripe"
    OFFLINE = "offline", "Offline"  # recorded by staff or by payments:write


class OfflineMeans(models.TextChoices):
    """How money came that did not come through Stripe."""

    BANK_TRANSFER = "bank_transfer", "Bank transfer"
    CASH = "cash", "Cash"
    CHECK = "check", "Check"
    CARD = "card", "Card, at a terminal of ours"
    OTHER = "other", "Other"


class RefundStatus(models.TextChoices):
    REQUESTED = "requested", "Requested"  # our intent; Stripe may not know of it yet
    PENDING = "pending", "Pending"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    CANCELED = "canceled", "Canceled"


# It is not yet known whether the money went back.
OPEN_REFUNDS = (RefundStatus.REQUESTED, RefundStatus.PENDING)
# These send no money back.
FAILED_REFUNDS = (RefundStatus.FAILED, RefundStatus.CANCELED)


class RefundReason(models.TextChoices):
    REQUESTED = "requested", "Requested by the payer"
    DUPLICATE = "duplicate", "Paid twice"
    PLACE_LOST = "place_lost", "No place or seat was left"
    NOT_NEEDED = "not_needed", "The enrollment ended before the payment arrived"
    NOT_ACCEPTED = "rejected", "The enrollment was not accepted"
    OUTSIDE = "outside", "Made in the Stripe dashboard"
    NOT_RECEIVED = "unreceived", "Recorded as paid, and never received"  # only for money outside of Stripe


class DisputeStatus(models.TextChoices):
    INQUIRY = "inquiry", "Inquiry"  # the bank asks before it takes anything; the money can still be refunded
    CLOSED = "closed", "Closed"  # it came to nothing: nothing was taken
    OPEN = "open", "Open"  # the bank has taken the money and not decided; evidence may still be submitted in Stripe
    WON = "won", "Won"  # the money is back with us
    LOST = "lost", "Lost"  # the money is gone


# While a dispute is in one of these states, the payer's bank may still take, or keep, the money.
UNDECIDED_DISPUTES = (DisputeStatus.INQUIRY, DisputeStatus.OPEN)


class InvoiceProvider(models.TextChoices):
    LOCAL = "local", "Local"  # numbered and printed here
    FAKTUROWNIA = "fakturownia", "Fakturownia"  # numbered, printed and reported to the tax office there


class InvoiceStatus(models.TextChoices):
    REQUESTED = "requested", "Requested"  # the vendor is to issue it; its content is fixed
    ISSUED = "issued", "Issued"  # it has its number and is never changed
    FAILED = "failed", "Failed"  # the vendor refused, or never answered: staff decide
    CANCELLED = "cancelled", "Canceled"  # it was issued by mistake and another one has replaced it


# No document exists yet.
UNISSUED_INVOICES = (InvoiceStatus.REQUESTED, InvoiceStatus.FAILED)


class PayoutStatus(models.TextChoices):
    """As Stripe reports it; nobody here changes it."""

    PENDING = "pending", "Pending"
    IN_TRANSIT = "in_transit", "In transit"
    PAID = "paid", "Paid"
    FAILED = "failed", "Failed"  # the bank sent it back
    CANCELED = "canceled", "Canceled"


# The money did not reach our bank, or did not stay there.
RETURNED_PAYOUTS = (PayoutStatus.FAILED, PayoutStatus.CANCELED)


class PayoutLineKind(models.TextChoices):
    """What moved money on our balance at Stripe: its reporting categories, in our words."""

    PAYMENT = "payment", "Payment"
    REFUND = "refund", "Refund"
    REFUND_BACK = "refund_back", "Refund that came back"
    DISPUTE = "dispute", "Dispute"
    DISPUTE_BACK = "dispute_back", "Dispute given back"
    FEE = "fee", "Stripe fee"
    OTHER = "other", "Other"


class EventSource(models.TextChoices):
    WEBHOOK = "webhook", "Webhook"
    RECONCILIATION = "reconciliation", "Reconciliation"  # found in Stripe's event list; its webhook never came


class VoucherKind(models.TextChoices):
    """What a voucher takes off a price."""

    PERCENTAGE = "percentage", "A percentage"
    AMOUNT = "amount", "An amount"
    FREE = "free", "Everything"


class DiscountSource(models.TextChoices):
    """Why a purchase costs less than its list price."""

    VOUCHER = "voucher", "Voucher"
    SIBLING = "sibling", "Sibling discount"


class DiscountStatus(models.TextChoices):
    RESERVED = "reserved", "Reserved"  # its checkout is open
    USED = "used", "Used"  # the purchase is paid, or costs nothing
    RELEASED = "released", "Released"  # nothing was bought: the use is free for somebody else
    HONORED = "honored", "Honored"  # the money came after the use had gone to somebody else; it counts as none


# These take up a use of their voucher.
COUNTED_DISCOUNTS = (DiscountStatus.RESERVED, DiscountStatus.USED)


class Account(models.TextChoices):
    """Which part of the books a line belongs to."""

    PAYMENTS = "payments", "Payments"
    REFUNDS = "refunds", "Refunds"
    DISPUTES = "disputes", "Disputes"
    FEES = "fees", "Stripe fees"
