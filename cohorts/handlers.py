"""Reactions to billing events about checkouts for places, and to the end of enrollments, inside their transaction.

The publisher has locked everything that these change: by the purpose, and by the holding, registered here.
"""

from billing.events import (
    CheckoutCancelled,
    CheckoutExpired,
    CheckoutRefused,
    CheckoutReplaced,
    MoneyEvent,
    PaymentFailed,
    PaymentRefunded,
    PaymentRestored,
    PaymentSucceeded,
)
from billing.purposes import Purpose, key_of, register_purpose
from core.actors import STRIPE
from enrollments.deletion import DELETED
from enrollments.events import EnrollmentDeleted, EnrollmentStatusChanged
from enrollments.purchase import fail_purchase
from enrollments.sellers import register_holding, register_seller
from enrollments.states import GIVEN_BACK, PAID
from events.publishing import handles

from .consequences import find_stake_of_payment, tell_end_of_holding
from .locks import lock_held_for_enrollments, lock_place, lock_place_subject
from .models import CohortPlace
from .queries import (
    describe_place,
    find_cohorts_offered,
    find_holdings_of_courses,
    find_learner_of_place,
    find_matters_of_places,
    find_places_of_learners,
    find_prices_of_places,
    find_sales_of_places,
    find_service_of_place,
)
from .sale.checkout import HOLD_TIME
from .sale.fulfilment import fulfil_place, refund_place, restore_place
from .sale.revocation import give_back
from .sale.waitlist import free_unpaid_place
from .states import PURPOSE, PlaceStatus

register_purpose(
    Purpose(
        name=PURPOSE,
        lock_subject=lock_place_subject,
        describe=describe_place,
        find_learner_id=find_learner_of_place,
        find_stake=find_stake_of_payment,
        find_matters=find_matters_of_places,
        find_subjects=find_places_of_learners,
        find_price_ids=find_prices_of_places,
        find_offers=find_cohorts_offered,
        find_service=find_service_of_place,
    )
)
register_seller(find_sales_of_places)
register_holding(lock_held_for_enrollments, find_holdings_of_courses, tell_end_of_holding)


@handles(PaymentSucceeded)
def fulfil(event: PaymentSucceeded) -> None:
    """The place was paid for."""
    if event.purpose == PURPOSE:
        fulfil_place(place_id=key_of(event.subject), payment_id=event.payment_id, now=event.occurred_at)


@handles(CheckoutExpired)
def give_expired_place_back(event: CheckoutExpired) -> None:
    """The checkout expired unpaid: the place goes to the next in line, or is freed."""
    if event.purpose == PURPOSE:
        _release(event, "The checkout ended unpaid")


@handles(CheckoutCancelled)
def give_cancelled_place_back(event: CheckoutCancelled) -> None:
    """The payer changed their mind."""
    if event.purpose == PURPOSE:
        _release(event, "The checkout was canceled")


@handles(CheckoutReplaced)
def ask_the_present_price(event: CheckoutReplaced) -> None:
    """The price changed before it was paid: the place stays held for the checkout with the new price."""
    if event.purpose != PURPOSE:
        return
    place = lock_place(key_of(event.subject))
    if place.status == PlaceStatus.HELD and place.checkout_id == event.checkout_id:
        place.checkout_id = event.replacement_id
        place.held_until = event.occurred_at + HOLD_TIME
        place.save(update_fields=["checkout", "held_until"])


@handles(CheckoutRefused)
def give_refused_place_back(event: CheckoutRefused) -> None:
    """Nobody can pay for it at this price."""
    if event.purpose == PURPOSE:
        _release(event, "The payment can't be taken")


@handles(PaymentFailed)
def give_unpaid_place_back(event: PaymentFailed) -> None:
    """The bank declined."""
    if event.purpose == PURPOSE:
        place = _release(event, "The payment failed")
        if place.enrollment_id is not None:
            fail_purchase(enrollment_id=place.enrollment_id, actor=STRIPE, now=event.occurred_at)


@handles(PaymentRefunded)
def follow_refund(event: PaymentRefunded) -> None:
    """Money was refunded."""
    if event.purpose == PURPOSE and event.refunded_minor:
        refund_place(payment_id=event.payment_id, fully=event.fully, now=event.occurred_at)


@handles(PaymentRestored)
def follow_return(event: PaymentRestored) -> None:
    """Refunded money has come back."""
    if event.purpose == PURPOSE and not event.refunded_minor:
        restore_place(payment_id=event.payment_id, now=event.occurred_at)


@handles(EnrollmentStatusChanged)
def follow_end(event: EnrollmentStatusChanged) -> None:
    """Staff ended the enrollment, or its money was refunded in full."""
    if event.to_status in GIVEN_BACK:
        give_back(
            enrollment_cuid=event.enrollment_cuid,
            is_paid=event.payment_status in PAID,
            reason=event.reason,
            now=event.occurred_at,
        )


@handles(EnrollmentDeleted)
def follow_deletion(event: EnrollmentDeleted) -> None:
    """Everything bought or held for the enrollment is given back, whatever its status was."""
    give_back(
        enrollment_cuid=event.enrollment_cuid,
        is_paid=event.payment_status in PAID,
        reason=DELETED,
        now=event.occurred_at,
    )


def _release(event: MoneyEvent, reason: str) -> CohortPlace:
    place = lock_place(key_of(event.subject))
    if place.status == PlaceStatus.HELD:
        free_unpaid_place(place=place, reason=reason, now=event.occurred_at)
    return place
