"""The result of a payment for a place: the course it bought, or why it bought none."""

import datetime as dt

from accounts.models import User
from billing.checkout import catch_up_with_stripe
from billing.models import Checkout
from billing.outcomes import Outcome
from billing.states import RefundReason
from core.errors import NotFound

from ..errors import NothingBought, NotYourPayment
from ..family import PlacePurchase, get_purchase
from ..models import StudentPackage
from ..states import PURPOSE

# Why a payment bought nothing: the code, and what to do now.
_REFUNDED: dict[str, tuple[str, str]] = {
    RefundReason.PLACE_LOST: ("place_lost", "The last place went before the payment arrived, so the money goes back."),
    RefundReason.DUPLICATE: ("already_owned", "The learner already had this course, so the money goes back."),
}
_ENDED = {
    Outcome.REFUNDED: ("refunded", "The payment was refunded."),
    Outcome.FAILED: ("payment_failed", "The bank refused the payment. Enroll again to try another way to pay."),
    Outcome.EXPIRED: ("checkout_expired", "The time to pay ran out. Enroll again."),
    Outcome.CANCELLED: ("checkout_cancelled", "The payment was canceled. Enroll again."),
    Outcome.NOT_PAYABLE: ("checkout_cancelled", "The payment could not be requested. Enroll again later."),
}


def find_package(*, user: User, session_id: str, now: dt.datetime) -> StudentPackage | None:
    """Return the course that this Stripe session bought; None while the money is on its way. Stripe is asked first.

    Raises NotFound, NotYourPayment, and NothingBought if it will never result in a course.
    """
    bought = _get_purchase(user, session_id, now)
    checkout = bought.purchase.checkout
    if checkout.is_live:
        is_confirmed = catch_up_with_stripe(checkout=checkout, visit="api", now=now)
        bought = get_purchase(user=user, session_id=session_id, now=now, is_confirmed=is_confirmed)
    if bought.is_enrolled:
        return bought.package
    if bought.has_ended:
        raise NothingBought("enrollment_ended", "The enrollment has ended. Ask the program about the payment.")
    if bought.purchase.outcome in _ENDED:
        raise NothingBought(*_REFUNDED.get(bought.purchase.refund_reason, _ENDED[bought.purchase.outcome]))
    return None


def _get_purchase(user: User, session_id: str, now: dt.datetime) -> PlacePurchase:
    try:
        return get_purchase(user=user, session_id=session_id, now=now)
    except NotFound:
        if Checkout.objects.filter(purpose=PURPOSE, stripe_session_id=session_id).exists():
            raise NotYourPayment("Sign in as the student or guardian who enrolled.") from None
        raise
