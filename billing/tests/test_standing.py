"""The whole table: what was refunded x what a bank contests x how that stands, in every order of arrival.

The oracle below is written out by hand, apart from the rule: for each status of a dispute that Stripe has, and each
amount refunded (nothing, a part, all) and disputed (a part, all) of 100, the payment's status, what is back with the
payer, whether what was paid for has ended, and what may still be refunded.
"""

import itertools
from typing import Any

import pytest

from accounts.models import StaffTask
from billing.balance import recount_payment, refundable_minor
from billing.errors import PaymentNotRefundable, RefundExceedsPayment
from billing.invariants import payments_count_their_refunds
from billing.models import Checkout, Payment
from billing.refunds import request_refund
from billing.states import RefundReason
from core.actors import SYSTEM
from core.clock import utc_now
from core.invariants import Extent
from events.models import OutboxEvent

from .factories import PaymentFactory
from .snapshots import NOW, arrive, dispute, refund

pytestmark = pytest.mark.django_db

# Stripe's status: what is taken by the dispute for good, whether it is undecided, whether it stops refunds meanwhile.
# (refunded, disputed) -> (payment status, back, ended, refundable), of a payment of 100.
KEPT = {
    (0, 40): ("paid", 0, False, 100),
    (0, 100): ("paid", 0, False, 100),
    (30, 40): ("partially_refunded", 30, False, 70),
    (30, 100): ("partially_refunded", 30, False, 70),
    (100, 40): ("refunded", 100, True, 0),
    (100, 100): ("refunded", 100, True, 0),
}
ASKED = {
    (0, 40): ("disputed", 0, False, 100),
    (0, 100): ("disputed", 0, False, 100),
    (30, 40): ("disputed", 30, False, 70),
    (30, 100): ("disputed", 30, False, 70),
    (100, 40): ("refunded", 100, True, 0),
    (100, 100): ("refunded", 100, True, 0),
}
WITHHELD = {
    (0, 40): ("disputed", 0, False, 0),
    (0, 100): ("disputed", 0, False, 0),
    (30, 40): ("disputed", 30, False, 0),
    (30, 100): ("disputed", 30, False, 0),
    (100, 40): ("refunded", 100, True, 0),
    (100, 100): ("refunded", 100, True, 0),
}
GONE = {
    (0, 40): ("partially_refunded", 40, False, 60),
    (0, 100): ("refunded", 100, True, 0),
    (30, 40): ("partially_refunded", 70, False, 30),
    (30, 100): ("refunded", 100, True, 0),
    (100, 40): ("refunded", 100, True, 0),
    (100, 100): ("refunded", 100, True, 0),
}
ORACLE = {
    "warning_needs_response": ASKED,
    "warning_under_review": ASKED,
    "warning_closed": KEPT,
    "needs_response": WITHHELD,
    "under_review": WITHHELD,
    "won": KEPT,
    "lost": GONE,
    "appeal_needs_response": GONE,
    "appeal_under_review": GONE,
    "prevented": KEPT,
    "charge_refunded": KEPT,
    "a status of next year": WITHHELD,
}
# Each status beside nothing refunded and beside a part; `make walk` goes through the rest of the table.
NEAR = {(0, 100), (30, 40)}
TABLE = [
    pytest.param(
        status,
        refunded,
        disputed,
        *expected,
        marks=() if (refunded, disputed) in NEAR else pytest.mark.walk,
        id=f"{status}-{refunded}-{disputed}",
    )
    for status, rows in ORACLE.items()
    for (refunded, disputed), expected in rows.items()
]


def paid() -> Payment:
    """100 that came, with its invoice and its checkout."""
    payment = PaymentFactory(checkout__amount_minor=100, paid_at=NOW)
    payment.receive()
    payment.save()
    Checkout.objects.update(status="paid")
    return payment


def told_to_end() -> list[bool]:
    """Whether each refund that was told of was told to be of everything."""
    told = OutboxEvent.objects.filter(type="payment.refunded").order_by("pk")
    return [payload["fully"] for payload in told.values_list("payload", flat=True)]


def refundable_by_staff(payment: Payment) -> int:
    """Return the amount of a refund of everything left; 0 if it is refused."""
    try:
        return request_refund(
            payment_id=payment.pk, amount_minor=None, reason=RefundReason.REQUESTED, actor=SYSTEM, now=utc_now()
        ).amount_minor
    except (PaymentNotRefundable, RefundExceedsPayment):
        return 0


class TestTheTable:
    @pytest.mark.parametrize(("status", "refunded", "disputed", "standing", "back", "ended", "refundable"), TABLE)
    def test_holds_in_every_order_of_arrival(
        self, status: str, refunded: int, disputed: int, standing: str, back: int, ended: bool, refundable: int
    ) -> None:
        refunds = [refund(refunded)] if refunded else []
        before = "warning_needs_response" if status.startswith("warning_") else "needs_response"
        opened, ends = dispute(disputed, status=before), dispute(disputed, status=status)
        orders: list[list[Any]] = [
            [*refunds, opened, ends],
            [opened, *refunds, ends],
            [opened, ends, *refunds],
            [ends, *refunds],
        ]
        for order in {tuple(order) for order in orders}:
            OutboxEvent.objects.all().delete()
            payment = arrive(paid(), *order)

            assert (payment.status, payment.refunded_minor) == (standing, back), order
            assert told_to_end().count(True) == ended, order
            assert refundable_minor(payment) == refundable, order
        assert refundable_by_staff(payment) == refundable

    @pytest.mark.parametrize("late", ["failed", "canceled"])
    @pytest.mark.parametrize(
        ("status", "standing"),
        [(None, "paid"), ("warning_needs_response", "disputed"), ("needs_response", "disputed"), ("won", "paid")],
    )
    def test_gives_back_what_a_refund_that_failed_late_had_taken(
        self, late: str, status: str | None, standing: str
    ) -> None:
        contested = [dispute(100, status=status)] if status else []
        payment = arrive(paid(), refund(100), *contested)

        restored = arrive(payment, refund(100, status=late))

        assert (payment.status, restored.status, restored.refunded_minor) == ("refunded", standing, 0)
        kinds = set(StaffTask.objects.values_list("kind", flat=True))
        assert {"money_came_back", "refund_failed"} <= kinds
        assert OutboxEvent.objects.get(type="payment.restored").payload["refundedMinor"] == 0


class TestMoreThanOne:
    def test_dispute_of_parts_that_are_lost_leaves_the_rest(self) -> None:
        first, second = dispute(40, status="lost"), dispute(35, status="lost", number=2)

        payment = arrive(paid(), first, second)

        assert (payment.status, payment.refunded_minor, refundable_minor(payment)) == ("partially_refunded", 75, 25)

    def test_dispute_of_which_one_is_open_stops_refunds_of_the_rest(self) -> None:
        payment = arrive(paid(), dispute(40, status="lost"), dispute(30, status="needs_response", number=2))

        assert (payment.status, payment.refunded_minor, refundable_minor(payment)) == ("disputed", 40, 0)

    def test_dispute_and_the_refund_of_the_rest_end_what_was_paid_for(self) -> None:
        payment = arrive(paid(), dispute(40, status="lost"), refund(60))

        assert (payment.status, told_to_end()) == ("refunded", [False, True])

    def test_refund_adds_up_whichever_is_told_first(self) -> None:
        parts = [refund(30, number=1), refund(30, number=2), refund(40, number=3)]
        for order in itertools.permutations(parts):
            OutboxEvent.objects.all().delete()
            payment = arrive(paid(), *order)

            assert (payment.status, told_to_end()) == ("refunded", [False, False, True])


class TestWhatStripeSaysMoved:
    def test_is_what_a_lost_dispute_took_less_what_it_gave_back(self) -> None:
        payment = arrive(paid(), dispute(100, status="lost", withdrawn_minor=70))

        assert (payment.status, payment.refunded_minor, refundable_minor(payment)) == ("partially_refunded", 70, 30)

    def test_makes_a_prevented_dispute_a_lost_one_when_it_took_the_money(self) -> None:
        payment = arrive(paid(), dispute(100, status="prevented", withdrawn_minor=100))

        assert (payment.status, told_to_end()) == ("refunded", [True])

    def test_leaves_the_rest_of_an_open_dispute_refundable_where_stripe_says_so(self) -> None:
        payment = arrive(paid(), dispute(40, status="needs_response", withdrawn_minor=40, is_charge_refundable=True))

        assert (payment.status, refundable_minor(payment)) == ("disputed", 60)


class TestADecidedDispute:
    @pytest.mark.parametrize("decided", ["won", "lost"])
    @pytest.mark.parametrize("older", ["warning_needs_response", "needs_response", "under_review"])
    def test_is_not_opened_by_an_older_answer(self, decided: str, older: str) -> None:
        payment = arrive(paid(), dispute(100, status=decided))

        again = arrive(payment, dispute(100, status=older))

        assert (again.status, again.refunded_minor) == (payment.status, payment.refunded_minor)

    def test_that_is_won_after_all_leaves_staff_to_say_what_becomes_of_the_money(self) -> None:
        payment = arrive(paid(), dispute(100, status="lost"), dispute(100, status="appeal_under_review"))

        won = arrive(payment, dispute(100, status="won"))

        assert (payment.status, won.status, won.refunded_minor) == ("refunded", "paid", 0)
        assert StaffTask.objects.filter(kind="money_came_back", subject=f"payment:{payment.pk}").count() == 1

    def test_that_closed_as_an_inquiry_may_become_one_of_money(self) -> None:
        payment = arrive(paid(), dispute(100, status="warning_closed"))

        contested = arrive(payment, dispute(100, status="needs_response"))

        assert (payment.status, contested.status, refundable_minor(contested)) == ("paid", "disputed", 0)


class TestTheDoctor:
    @pytest.mark.parametrize("status", ["paid", "partially_refunded", "disputed"])
    def test_finds_a_payment_whose_money_is_all_back_and_that_says_otherwise(self, status: str) -> None:
        payment = arrive(paid(), refund(100))
        Payment.objects.update(status=status)

        assert f"payment {payment.pk}" in miscounted()

    def test_finds_a_payment_that_a_bank_contests_and_that_does_not_say_so(self) -> None:
        payment = arrive(paid(), dispute(100, status="warning_needs_response"))
        Payment.objects.update(status="paid")

        assert f"payment {payment.pk}" in miscounted()

    def test_finds_nothing_in_what_the_rule_makes(self) -> None:
        for status, (refunded, disputed) in itertools.product(ORACLE, KEPT):
            arrive(paid(), *([refund(refunded)] if refunded else []), dispute(disputed, status=status))

        assert miscounted() == []

    def test_is_asked_apart_from_the_rule(self) -> None:
        payment = arrive(paid(), refund(30))
        Payment.objects.update(refunded_minor=0, status="paid")

        assert f"payment {payment.pk}" in miscounted()
        recount_payment(payment=Payment.objects.get(), now=utc_now())
        assert miscounted() == []


def miscounted() -> list[str]:
    """Return the rows that the doctor names."""
    return [breach.row for breach in payments_count_their_refunds(Extent(now=NOW))]
