"""What the end of an enrollment frees and sends back, told to staff beforehand: the one place for every button that
ends some."""

import datetime as dt

from billing.balance import refundable_minor
from billing.consequences import tell_refund
from billing.models import Checkout, Payment
from billing.purposes import Stake, key_of
from core.money import Money

from .funding import find_open_checkouts
from .models import Enrollment, EnrollmentDecision, SeatAssignment
from .receipts import find_payments
from .sellers import tell_end_of_holdings
from .states import ENDED_ELIGIBILITY, HELD_SEATS, LIVE_DECISIONS, PAID, PURPOSE


def tell_end(enrollment: Enrollment, *, is_refunded: bool, now: dt.datetime) -> list[str]:
    """What ends with it: what is free then, and what becomes of the money. `is_refunded`: it goes back by itself."""
    return [*tell_freed(enrollment, now=now), *_tell_money(enrollment, is_refunded=is_refunded, now=now)]


def tell_freed(enrollment: Enrollment, *, now: dt.datetime) -> list[str]:
    """Whose seat or place is free, who gets it, and which payment pages end."""
    held = SeatAssignment.objects.filter(enrollment=enrollment, status__in=HELD_SEATS)
    told = [tell_freed_seat(seat) for seat in held.select_related("allocation__district")]
    told += tell_end_of_holdings(enrollment.pk, now)
    for checkout in Checkout.objects.filter(pk__in=find_open_checkouts(enrollment.pk)).order_by("pk"):
        told.append(f"The payment page over {checkout.money} ends.")
    return told


def tell_freed_seat(seat: SeatAssignment) -> str:
    """How many seats are left then."""
    allocation = seat.allocation
    left = f"{allocation.available_seats + 1:,} of {allocation.total_seats:,} are left then"
    return f"The seat is free again in {allocation}: {left}."


def _tell_money(enrollment: Enrollment, *, is_refunded: bool, now: dt.datetime) -> list[str]:
    if enrollment.payment_status not in PAID:
        return []
    payment = find_payments([enrollment], now=now).get(enrollment.pk)
    if payment is None:
        return []
    left = Money(refundable_minor(payment), payment.currency)
    if is_refunded and payment.purpose == PURPOSE and left.minor:
        return tell_refund(payment, left)
    here = Money(payment.amount_minor - payment.refunded_minor, payment.currency)
    return [f"No money moves: you get a task to decide what of the {here} that were paid goes back."]


def find_stake_of_payment(payment_id: int, now: dt.datetime) -> Stake | None:
    """The enrollment that a payment funds, for staff who think of sending it back."""
    funded = EnrollmentDecision.objects.filter(payment=payment_id, status__in=LIVE_DECISIONS)
    decision = (
        funded.exclude(enrollment__eligibility_status__in=ENDED_ELIGIBILITY)
        .filter(enrollment__deleted_at__isnull=True)
        .select_related("learner", "instance__program", "enrollment")
        .first()
    )
    if decision is None:
        return None
    freed = tell_freed(decision.enrollment, now=now)
    return Stake(str(decision.learner), f"the enrollment in {decision.instance.full_title}", tuple(freed))


def find_stake_of_offline_payment(payment_id: int, now: dt.datetime) -> Stake | None:
    """The enrollment that a payment outside of Stripe pays for, for staff who think of giving it back."""
    subject = Payment.objects.filter(pk=payment_id).values_list("subject", flat=True).get()
    found = (
        Enrollment.objects.current().filter(pk=key_of(subject)).select_related("learner", "instance__program").first()
    )
    if found is None:
        return None
    freed = tell_freed(found, now=now)
    return Stake(str(found.person), f"the enrollment in {found.instance.full_title}", tuple(freed))
