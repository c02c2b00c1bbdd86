"""What leaving now brings for an enrollment: the one rule that quotes are made by and checked with on confirmation."""

import datetime as dt
from collections.abc import Sequence

from billing.balance import refundable_minor
from billing.models import Payment
from billing.refund_policy import divide, tier_on
from billing.states import UNDECIDED_DISPUTES, PaymentMethod
from core.local_time import local_date

from ..locks import held_seat
from ..models import Enrollment, QuotedExit
from ..receipts import find_payments
from ..refund_rules import policy_of_purchase
from ..sellers import Holding, find_holdings
from ..states import PAID, Settlement


def foresee_exits(enrollments: Sequence[Enrollment], *, now: dt.datetime) -> list[QuotedExit]:
    """Return, unsaved, what each of these brings if its learner leaves today."""
    payments = find_payments(enrollments, now=now)
    holdings = find_holdings([enrollment.pk for enrollment in enrollments], now)
    return [
        _foresee(enrollment, payments.get(enrollment.pk), holdings.get(enrollment.pk), now)
        for enrollment in enrollments
    ]


def _foresee(enrollment: Enrollment, payment: Payment | None, holding: Holding | None, now: dt.datetime) -> QuotedExit:
    planned = QuotedExit(
        enrollment=enrollment,
        settlement=Settlement.NO_MONEY,
        place=holding.place if holding else "",
        sessions=holding.sessions if holding else 0,
        frees_seat=held_seat(enrollment.pk) is not None,
    )
    if payment is not None and enrollment.payment_status in PAID:
        starts_on = holding.starts_on if holding else enrollment.first_day
        _settle(planned, payment, starts_on, now)
    return planned


def _settle(planned: QuotedExit, payment: Payment, starts_on: dt.date | None, now: dt.datetime) -> None:
    enrollment = planned.enrollment
    planned.settlement = Settlement.BY_STAFF
    planned.payment = payment
    planned.currency = payment.currency
    planned.paid_minor = payment.amount_minor
    planned.back_minor = payment.refunded_minor
    policy = policy_of_purchase(enrollment)
    is_contested = payment.disputes.filter(status__in=UNDECIDED_DISPUTES).exists()
    if policy is None or is_contested or payment.method != PaymentMethod.STRIPE:
        return
    tier = tier_on(tiers=policy.rules, starts_on=starts_on, day=local_date(now, enrollment.instance.zone))
    if tier is None or (tier.kept_fee_minor and policy.currency != payment.currency):
        return
    left = refundable_minor(payment)
    planned.back_minor = payment.amount_minor - left
    share = divide(paid=payment.money, tier=tier, promised_minor=planned.back_minor, refundable_minor=left)
    planned.settlement = Settlement.BY_RULE
    planned.kept_minor = payment.amount_minor - planned.back_minor - share.returned.minor
    planned.returned_minor = share.returned.minor


def says_the_same(quoted: QuotedExit, found: QuotedExit) -> bool:
    """Return whether only the day has changed since the quote; the refund rule is the one of the day it was made."""
    names = ("settlement", "payment_id", "currency", "paid_minor", "back_minor", "place", "frees_seat")
    return all(getattr(quoted, name) == getattr(found, name) for name in names)
