"""A checkout from the intent to charge to its outcome at Stripe.

Stripe decides. Every hint that something happened (a webhook, the success page, the sweep, reconciliation, a person)
makes us ask Stripe and record the answer; recording the same answer again changes nothing.
"""

from .catch_up import SECONDS_BETWEEN_QUESTIONS, catch_up_with_prices, catch_up_with_stripe
from .intent import SHORTEST_TIME, open_checkout
from .outcome import EXPIRY_SLACK, LATEST_CHECK, SOONEST_CHECK, record_session
from .session import REFUSAL, adopt_session, submit_checkout
from .settle import cancel_checkout, check_due_checkouts, request_cancellation, settle_checkout, try_to_settle

__all__ = [
    "EXPIRY_SLACK",
    "LATEST_CHECK",
    "REFUSAL",
    "SECONDS_BETWEEN_QUESTIONS",
    "SHORTEST_TIME",
    "SOONEST_CHECK",
    "adopt_session",
    "cancel_checkout",
    "catch_up_with_prices",
    "catch_up_with_stripe",
    "check_due_checkouts",
    "open_checkout",
    "record_session",
    "request_cancellation",
    "settle_checkout",
    "submit_checkout",
    "try_to_settle",
]
