"""The decisions and checks that billing asks of staff."""

from accounts.states import Role
from accounts.task_kinds import Urgency, register_kind

SESSION_UNKNOWN = register_kind(
    "session_unknown",
    label="Payment page unknown to Stripe",
    role=Role.FINANCE,
    subjects=("checkout",),
    remedy=(
        "Check in Stripe whether the checkout was paid, and whether the key in use belongs to the "
        "account that created it."
    ),
)
CHECKOUT_REFUSED = register_kind(
    "checkout_refused",
    label="Price that Stripe refuses",
    role=Role.FINANCE,
    subjects=("price", "checkout"),
    remedy="Replace the price by one that Stripe accepts, or correct the account in Stripe.",
)
EVENT_UNKNOWN = register_kind(
    "stripe_event_unknown",
    label="Stripe event that Stripe does not know",
    role=Role.FINANCE,
    subjects=("checkout", "payment"),
    remedy="Compare what Stripe shows with what the page of the checkout or payment shows.",
)
EVENT_STUCK = register_kind(
    "stripe_event_stuck",
    label="Stripe event that could not be handled",
    role=Role.FINANCE,
    subjects=("stripe-event",),
    remedy="Ask the platform's operator to look at the event's error and handle it again.",
)
MONEY_CAME_BACK = register_kind(
    "money_came_back",
    label="Money that came back",
    role=Role.FINANCE,
    subjects=("payment",),
    remedy="Enroll the learner again, or refund the payment.",
    urgency=Urgency.NOW,
)
DISPUTE = register_kind(
    "dispute",
    label="Disputed payment",
    role=Role.FINANCE,
    subjects=("payment",),
    remedy="Answer the bank in Stripe before its deadline, or refund the payment if the bank only asks.",
    urgency=Urgency.NOW,
)
PAYMENT_MISMATCH = register_kind(
    "payment_mismatch",
    label="Payment of another amount",
    role=Role.FINANCE,
    subjects=("payment", "checkout"),
    remedy="Refund the payment: it pays for nothing.",
    urgency=Urgency.NOW,
)
REFUND_TO_DECIDE = register_kind(
    "refund_to_decide",
    label="Refund to decide",
    role=Role.FINANCE,
    subjects=("payment",),
    remedy="Refund the payment or a part of it, or complete the task with the reason why the money stays.",
    urgency=Urgency.NOW,
)
REFUND_STUCK = register_kind(
    "refund_stuck",
    label="Refund that could not be sent",
    role=Role.FINANCE,
    subjects=("refund",),
    remedy="Look at the refund's last error, and look in Stripe whether the refund is there.",
    urgency=Urgency.NOW,
)
REFUND_FAILED = register_kind(
    "refund_failed",
    label="Failed refund",
    role=Role.FINANCE,
    subjects=("refund",),
    remedy="Refund the payment again, or return the money another way.",
    urgency=Urgency.NOW,
)
INVOICE_FAILED = register_kind(
    "invoice_failed",
    label="Invoice that was not issued",
    role=Role.FINANCE,
    subjects=("invoice",),
    remedy=(
        "Read the invoicing service's answer. Correct the seller's or the buyer's data there and "
        "try again, or issue the document by hand and enter its number."
    ),
)
