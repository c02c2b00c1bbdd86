"""Enrollments that are paid outside of Stripe: in cash, by transfer, at a terminal.

An open checkout is ended at Stripe first, so that nobody pays twice; if the payer was faster, that payment counts and
this one is refused. A Stripe payment that arrives later anyway is refunded as a duplicate.
"""

import datetime as dt

from django.db import transaction

from accounts.models import Guardian
from billing.checkout import cancel_checkout
from billing.errors import AlreadyPaid
from billing.invoicing import Buyer
from billing.models import Checkout, Payment, Refund
from billing.offline import Proof, record_offline_payment
from billing.purposes import as_subject, key_of
from billing.states import CheckoutStatus, RefundReason
from core.actors import Actor
from core.errors import invalid_field
from core.money import Money
from events.publishing import publish

from .emails import tell_of_missing_payment, tell_of_offline_payment
from .errors import EnrollmentOver, NotForSale, NothingToPay, PaymentOnItsWay
from .funding import find_open_checkouts
from .history import Journal
from .lifecycle import approve_if_automatic, check_open, lock_to_end
from .locks import lock_enrollment, lock_enrollment_with_seat
from .models import Enrollment
from .purchase import refund_purchase
from .reasons import RETURNED
from .refund_rules import find_policy
from .sellers import find_sales
from .states import GIVEN_BACK, OFFLINE_PURPOSE, PAID, UNPAID, EnrollmentPaymentStatus, ParticipationStatus

# How often a checkout may be reopened between ending the last one and taking the lock.
ATTEMPTS = 3


def pay_offline(
    *,
    enrollment_id: int,
    proof: Proof,
    now: dt.datetime,
) -> Payment:
    """Record that an enrollment was paid outside of Stripe, at the price of its program instance; it is approved if
    review is automatic, its invoice is issued, and the family is told.

    If the proof names an amount or a currency, it must match the price. Must not run inside a transaction: Stripe is
    called to end an open checkout. Raises NotFound, AlreadyPaid, NothingToPay, NotForSale, EnrollmentOver,
    PaymentOnItsWay, Invalid, and PaymentProviderDown while a checkout can't be ended.
    """
    for _ in range(ATTEMPTS):
        enrollment = Enrollment.objects.select_related("instance__price").get(pk=enrollment_id)
        _check_payable(enrollment, proof, now)
        for checkout in list_live_checkouts(enrollment_id, now):
            if checkout.status == CheckoutStatus.PROCESSING:
                raise PaymentOnItsWay("The payer's bank is moving the money already. Wait for its answer.")
            cancel_checkout(checkout_id=checkout.pk, now=now)
        payment = _record(enrollment_id, proof, now)
        if payment is not None:
            return payment
    raise PaymentOnItsWay("Somebody is on the payment page just now. Try again in a minute.")


def lock_offline_subject(subject: str) -> None:
    """Lock the enrollment, which may end; billing calls this before it locks a payment outside of Stripe."""
    lock_to_end(key_of(subject))


def follow_reversal(*, enrollment_id: int, payment_id: int, now: dt.datetime) -> None:
    """Follow the reversal of a payment outside of Stripe. Money that was given back ends what it paid for, as any full
    refund does; money that never came leaves the enrollment waiting for it. Part of the reversing transaction.
    """
    reversal = Refund.objects.filter(payment=payment_id).latest("pk")
    actor = Actor.read(reversal.actor)
    enrollment = lock_enrollment(enrollment_id)
    if reversal.reason != RefundReason.NOT_RECEIVED or not enrollment.is_going_on:
        refund_purchase(enrollment_id=enrollment_id, fully=True, reason=RETURNED, actor=actor, now=now)
        return
    journal = Journal(enrollment, actor, now)
    journal.change("mark_unpaid", reason="The payment was recorded by mistake, or bounced")
    publish(*journal.write())
    tell_of_missing_payment(enrollment=enrollment, payment_id=payment_id, now=now)


@transaction.atomic
def _record(enrollment_id: int, proof: Proof, now: dt.datetime) -> Payment | None:
    """Return None if a checkout was opened since the others were ended: opening one requires the enrollment's lock."""
    enrollment, seat = lock_enrollment_with_seat(enrollment_id)
    money = _check_payable(enrollment, proof, now)
    if list_live_checkouts(enrollment_id, now):
        return None
    journal = Journal(enrollment, proof.actor, now, proof.note)
    if enrollment.payment_status == EnrollmentPaymentStatus.FAILED:
        journal.change("await_payment", reason="Paid in another way")
    journal.change("mark_paid", reason=proof.means.label)
    journal.set(refund_policy=find_policy(enrollment.instance, at=now))
    events = approve_if_automatic(journal=journal, seat=seat)
    publish(*journal.write(), *events)
    payment = record_offline_payment(
        workspace_id=enrollment.workspace_id,
        purpose=OFFLINE_PURPOSE,
        subject=as_subject(enrollment.pk),
        money=money,
        proof=proof,
        buyer=_buyer_of(enrollment),
        now=now,
    )
    tell_of_offline_payment(enrollment=enrollment, payment_id=payment.pk, now=now)
    return payment


def was_given_up(enrollment: Enrollment) -> bool:
    """Return whether it was refused or left, so that nothing is owed any more. What a completed one owed, it still
    owes: it may have begun on account, or its check may have bounced."""
    has_left = enrollment.participation_status == ParticipationStatus.WITHDRAWN
    return has_left or enrollment.eligibility_status in GIVEN_BACK


def _check_payable(enrollment: Enrollment, proof: Proof, now: dt.datetime) -> Money:
    """Return what is left to pay for the enrollment."""
    check_open(enrollment, None, now)
    if enrollment.payment_status in (*PAID, EnrollmentPaymentStatus.REFUNDED):
        raise AlreadyPaid(f"Its payment is {enrollment.get_payment_status_display().lower()}.")
    if was_given_up(enrollment):
        raise EnrollmentOver("It has ended, so nothing more is paid for it.")
    if enrollment.payment_status not in UNPAID:
        raise NothingToPay
    price = enrollment.instance.price
    if price is None:
        raise NotForSale("The program instance has no price any longer: give it one first.")
    if proof.amount_minor is not None and proof.amount_minor != price.amount_minor:
        raise invalid_field(
            "amount_minor", "not_the_price", f"The price is {price.money}: the whole of it is recorded."
        )
    if proof.currency is not None and proof.currency.lower() != price.currency:
        raise invalid_field("currency", "not_the_price", f"The price is {price.money}.")
    return price.money


def list_live_checkouts(enrollment_id: int, now: dt.datetime) -> list[Checkout]:
    """Return the checkouts by which the enrollment could still be paid at Stripe, whoever asked for the money."""
    decided = Checkout.objects.live().filter(pk__in=find_open_checkouts(enrollment_id)).order_by("pk")
    sold = [sale.checkout for sale in find_sales([enrollment_id], now).values() if sale.checkout.is_live]
    return [*decided, *sold]


def _buyer_of(enrollment: Enrollment) -> Buyer:
    """Return the learner's guardian, or the learner if they have none."""
    guardians = (
        Guardian.objects.filter(guardianships__learner=enrollment.learner_id).exclude(email=None).exclude(email="")
    )
    person = guardians.order_by("pk").first() or enrollment.person
    return Buyer(email=person.email or "", name=f"{person.first_name} {person.last_name}".strip())
