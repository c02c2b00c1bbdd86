"""The consequences, for staff to read beforehand, of ending an enrollment or its payment page, or of changing seats:
the one place for every button that does so.
"""

import datetime as dt
from collections.abc import Iterable, Sequence

from django.db import models

from backoffice.previews import tell_number, tell_numbers, tell_sums
from billing.balance import find_refundable, refundable_minor
from billing.consequences import tell_end_of_checkout, tell_refund
from billing.models import Checkout, Payment
from billing.purposes import Stake, key_of
from billing.refunds import check_refundable
from billing.states import LIVE_CHECKOUTS
from core.money import Money
from core.numbers import counted
from notifications.wording import is_switched_off

from .emails import addresses_about, hears_from_us
from .funding import find_open_checkouts
from .letters import ENDED, PAYMENT_MISSING
from .models import (
    District,
    DistrictSeatAllocation,
    Enrollment,
    EnrollmentDecision,
    ProgramInstance,
    SeatAssignment,
)
from .receipts import find_payments
from .sellers import tell_end_of_holdings
from .states import GOING_ON, HELD_SEATS, PAID, PURPOSE

# For families that hear nothing when they leave; a payer, or who is offered the freed place, may get a mail.
NO_MAIL_TO_FAMILY = "The family gets no mail about the end."


def tell_end(
    enrollment: Enrollment, *, is_refunded: bool, now: dt.datetime, held: Iterable[SeatAssignment] | None = None
) -> list[str]:
    """Return what ends with it: what is freed, and what happens to the money (`is_refunded`: automatic refund). Raises
    PaymentNotRefundable while a bank decides about money that is to be refunded.
    """
    return [*tell_freed(enrollment, now=now, held=held), *_tell_money(enrollment, is_refunded=is_refunded, now=now)]


def tell_freed(enrollment: Enrollment, *, now: dt.datetime, held: Iterable[SeatAssignment] | None = None) -> list[str]:
    """Return which seat or place is freed, who gets it, and which payment pages end. `held` are its seats, if known."""
    if held is None:
        held = enrollment.seats.filter(status__in=HELD_SEATS).select_related("allocation__district")
    told = [tell_freed_seat(seat) for seat in held]
    told += tell_end_of_holdings([enrollment.pk], now)
    for checkout in Checkout.objects.filter(pk__in=find_open_checkouts(enrollment.pk)).order_by("pk"):
        told += tell_end_of_checkout(checkout)
    return told


def tell_freed_seat(seat: SeatAssignment) -> str:
    """Say how many seats are left afterwards."""
    allocation = seat.allocation
    left = f"{allocation.available_seats + 1:,} of {allocation.total_seats:,} are left then"
    return f"The seat is free again in {allocation}: {left}."


def tell_cancellation(decision: EnrollmentDecision) -> list[str]:
    """Return what happens to a decision that waits for money, and to its payment page."""
    return [
        *(tell_end_of_checkout(decision.checkout) if decision.checkout is not None else []),
        f"The enrollment of {decision.learner} in {decision.instance} stays submitted and unpaid. Asking again opens a "
        "new payment page, or finds a seat.",
    ]


def tell_total(allocation: DistrictSeatAllocation, *, total_seats: int, is_active: bool) -> list[str]:
    """Say how many seats there would be, and how many of them would be left."""
    held = allocation.reserved_seats + allocation.used_seats
    before = f" instead of {allocation.total_seats:,}" if total_seats != allocation.total_seats else ", as before"
    told = [f"{allocation}: {counted(total_seats, 'seat')}{before}; {held:,} held and {total_seats - held:,} left."]
    if not is_active:
        told.append("No more seats are taken, until it is active again. Whoever holds one keeps it.")
    return told


def tell_seats_added(
    district: District, *, instance: ProgramInstance | None, total_seats: int, seat_price: Money | None
) -> list[str]:
    """Say how many seats a district gets in addition to those it has, and what they cost."""
    told = [f"{district} gets {counted(total_seats, 'seat')} for {instance or 'any program'}."]
    present = DistrictSeatAllocation.objects.filter(district=district, is_active=True)
    left = sum(allocation.available_seats for allocation in present)
    if present:
        told.append(f"Of the seats that it has already, {left:,} are left.")
    if seat_price is not None:
        told.append(f"At {seat_price} a seat that is {Money(total_seats * seat_price.minor, seat_price.currency)}.")
    return told


def tell_end_of_many(enrollments: Sequence[Enrollment], *, now: dt.datetime) -> list[str]:
    """Return the consequences of ending many whose money is refunded automatically: counts and sums, few queries."""
    held = SeatAssignment.objects.filter(enrollment__in=enrollments, status__in=HELD_SEATS)
    told = tell_numbers("Seats that are free again in", held.values_list("allocation__district__name", flat=True))
    told += tell_end_of_holdings([each.pk for each in enrollments], now)
    open_pages = EnrollmentDecision.objects.filter(enrollment__in=enrollments, checkout__status__in=LIVE_CHECKOUTS)
    told += tell_number("Payment pages that end", open_pages.count())
    paid = [each for each in enrollments if each.payment_status in PAID]
    payments = find_payments(paid, now=now).values()
    ours = [payment for payment in payments if payment.purpose == PURPOSE]
    back = [money for money in find_refundable(ours).values() if money.minor]
    told += tell_number("Payments that go back", len(back)) + tell_sums("Money that goes back", back)
    return [*told, *tell_number("Tasks to decide what goes back of the money that was paid", len(payments) - len(back))]


def tell_mail_about_end(enrollment: Enrollment, payment_id: int) -> list[str]:
    """Say who is mailed about the end because of the refund, apart from the payer, who is told about the refund."""
    if not hears_from_us(enrollment) or is_switched_off(kind=ENDED, workspace_id=enrollment.workspace_id):
        return []
    payers = Checkout.objects.filter(payments=payment_id).values_list("payer_email", flat=True)
    others = [address for address in addresses_about(enrollment) if address not in payers]
    return [f"A mail about the end goes to {', '.join(others)}."] if others else []


def tell_mail_about_missing_payment(enrollment: Enrollment) -> list[str]:
    """Say who is mailed that recorded money never came."""
    if is_switched_off(kind=PAYMENT_MISSING, workspace_id=enrollment.workspace_id):
        return []
    readers = addresses_about(enrollment)
    return [f"A mail that the payment did not arrive goes to {', '.join(readers)}."] if readers else []


def _tell_money(enrollment: Enrollment, *, is_refunded: bool, now: dt.datetime) -> list[str]:
    if enrollment.payment_status not in PAID:
        return []
    payment = find_payments([enrollment], now=now).get(enrollment.pk)
    if payment is None:
        return []
    if is_refunded and payment.purpose == PURPOSE:
        check_refundable(payment)
    left = Money(refundable_minor(payment), payment.currency)
    if is_refunded and payment.purpose == PURPOSE and left.minor:
        return tell_refund(payment, left)
    here = Money(payment.amount_minor - payment.refunded_minor, payment.currency)
    return [f"No money moves: you get a task to decide what of the {here} that was paid goes back."]


def find_stake_of_payment(payment_id: int, now: dt.datetime) -> Stake | None:
    """Return the enrollment that a payment funds, for staff who consider refunding it."""
    return _find_stake(models.Q(decisions__payment=payment_id), payment_id, now)


def find_stake_of_offline_payment(payment_id: int, now: dt.datetime) -> Stake | None:
    """Return the enrollment that a payment outside of Stripe pays for, for staff who consider reversing it."""
    subject = Payment.objects.filter(pk=payment_id).values_list("subject", flat=True).get()
    return _find_stake(models.Q(pk=key_of(subject)), payment_id, now)


def _find_stake(is_funded: models.Q, payment_id: int, now: dt.datetime) -> Stake | None:
    """A completed enrollment is at stake too: it ends when its money goes back, or is unpaid again."""
    going_on = Enrollment.objects.kept().filter(is_funded, eligibility_status__in=GOING_ON)
    found = going_on.select_related("learner", "lead", "instance__program").first()
    if found is None:
        return None
    return Stake(
        str(found.person),
        f"the enrollment in {found.instance.full_title}",
        freed=(*tell_freed(found, now=now), *tell_mail_about_end(found, payment_id)),
        owed=tuple(tell_mail_about_missing_payment(found)),
    )
