import itertools

import pytest

from accounts.models import StaffTask
from billing import refunds
from billing.disputes import record_dispute
from billing.errors import PaymentNotRefundable, RefundExceedsPayment
from billing.gateways.stripe import get_gateway
from billing.models import Dispute, Payment
from billing.states import RefundReason
from core.actors import SYSTEM
from core.clock import utc_now

from .stripe_world import StripeWorld, published

pytestmark = pytest.mark.django_db


def contested(world: StripeWorld) -> tuple[Payment, str]:
    payment = world.paid()
    return payment, world.sandbox.open_dispute(str(payment.payment_intent_id))["id"]


def state() -> tuple[str, int]:
    return Payment.objects.values_list("status", "refunded_minor").get()


class TestADispute:
    def test_flags_the_payment_and_gives_staff_a_task(self, world: StripeWorld) -> None:
        payment, _ = contested(world)

        world.tell(world.event("charge.dispute.created"))

        dispute = Dispute.objects.get()
        assert (dispute.status, dispute.amount_minor, dispute.reason) == ("open", 4900, "fraudulent")
        assert state() == ("disputed", 0)
        assert list(StaffTask.objects.values_list("kind", "subject")) == [("dispute", f"payment:{payment.pk}")]
        assert published() == ["payment.succeeded", "payment.disputed"]

    def test_keeps_the_payment_from_being_refunded(self, world: StripeWorld) -> None:
        payment, _ = contested(world)
        world.tell(world.event("charge.dispute.created"))

        with pytest.raises(PaymentNotRefundable, match="disputed"):
            refunds.request_refund(
                payment_id=payment.pk, amount_minor=None, reason=RefundReason.REQUESTED, actor=SYSTEM, now=utc_now()
            )

    @pytest.mark.parametrize(
        ("outcome", "after", "events"),
        [
            ("won", ("paid", 0), ["payment.dispute_closed"]),
            ("lost", ("refunded", 4900), ["payment.dispute_closed", "payment.refunded"]),
        ],
    )
    def test_ends_as_the_bank_says(
        self, world: StripeWorld, outcome: str, after: tuple[str, int], events: list[str]
    ) -> None:
        _, dispute = contested(world)
        world.tell(world.event("charge.dispute.created"))
        world.sandbox.close_dispute(dispute, outcome=outcome)

        world.tell(world.event("charge.dispute.closed"))

        assert Dispute.objects.get().status == outcome
        assert state() == after
        assert published() == ["payment.succeeded", "payment.disputed", *events]

    @pytest.mark.parametrize(
        "order",
        list(itertools.permutations(["checkout.session.completed", "charge.dispute.created", "charge.dispute.closed"])),
    )
    def test_ends_alike_in_every_order_of_events(self, world: StripeWorld, order: tuple[str, ...]) -> None:
        submitted = world.submitted()
        world.pay(submitted)
        (paid,) = world.sandbox.ledger()["payments"]
        dispute = world.sandbox.open_dispute(paid["id"])["id"]
        world.sandbox.close_dispute(dispute, outcome="won")

        world.tell(*(world.event(type) for type in order))

        assert (Dispute.objects.get().status, state()) == ("won", ("paid", 0))
        assert published() == ["payment.succeeded", "payment.disputed", "payment.dispute_closed"]

    def test_that_was_decided_is_not_opened_by_an_older_answer(self, world: StripeWorld) -> None:
        payment, dispute = contested(world)
        older = get_gateway().retrieve_dispute(dispute)
        world.sandbox.close_dispute(dispute, outcome="won")
        world.tell(world.event("charge.dispute.closed"))

        record_dispute(payment_id=payment.pk, snapshot=older, now=utc_now())

        assert (Dispute.objects.get().status, state()) == ("won", ("paid", 0))

    def test_that_is_lost_after_a_partial_refund_returns_no_more_than_was_paid(self, world: StripeWorld) -> None:
        payment = world.paid()
        refund = refunds.request_refund(
            payment_id=payment.pk, amount_minor=1000, reason=RefundReason.REQUESTED, actor=SYSTEM, now=utc_now()
        )
        refunds.submit_refund(refund_id=refund.pk, now=utc_now())
        dispute = world.sandbox.open_dispute(str(payment.payment_intent_id))["id"]
        world.sandbox.close_dispute(dispute, outcome="lost")

        world.tell(world.event("charge.dispute.closed"))

        assert state() == ("refunded", 4900)


def refund(payment: Payment, minor: int | None = None) -> str:
    asked = refunds.request_refund(
        payment_id=payment.pk, amount_minor=minor, reason=RefundReason.REQUESTED, actor=SYSTEM, now=utc_now()
    )
    return str(refunds.submit_refund(refund_id=asked.pk, now=utc_now()).status)


class TestAnInquiry:
    def test_can_be_answered_with_a_refund_of_everything(self, world: StripeWorld) -> None:
        payment = world.paid()
        world.sandbox.open_dispute(str(payment.payment_intent_id), status="warning_needs_response")
        world.tell(world.event("charge.dispute.created"))
        before = state()

        refunded = refund(payment)
        world.tell(*world.events("charge.refunded", "charge.dispute.closed"))

        assert (before, refunded) == (("disputed", 0), "succeeded")
        assert (Dispute.objects.get().status, state()) == ("closed", ("refunded", 4900))
        assert published() == [
            "payment.succeeded",
            "payment.disputed",
            "payment.refunded",
            "payment.dispute_closed",
        ]

    def test_that_becomes_a_dispute_stops_refunds(self, world: StripeWorld) -> None:
        payment = world.paid()
        inquiry = world.sandbox.open_dispute(str(payment.payment_intent_id), status="warning_needs_response")
        world.sandbox.close_dispute(inquiry["id"], outcome="needs_response")
        world.tell(*world.events("charge.dispute.created", "charge.dispute.funds_withdrawn"))

        with pytest.raises(PaymentNotRefundable, match="disputed"):
            refund(payment)

        assert (Dispute.objects.get().status, state()) == ("open", ("disputed", 0))


class TestADisputeOfAPart:
    def test_that_is_lost_leaves_the_rest_and_no_more_to_be_refunded(self, world: StripeWorld) -> None:
        payment = world.paid()
        dispute = world.sandbox.open_dispute(str(payment.payment_intent_id), amount=1000)["id"]
        world.sandbox.close_dispute(dispute, outcome="lost")
        world.tell(world.event("charge.dispute.closed"))
        after_the_loss = state()

        with pytest.raises(RefundExceedsPayment, match=r"39\.00"):
            refund(payment, 4900)
        refunded = refund(payment)

        assert after_the_loss == ("partially_refunded", 1000)
        assert (refunded, state()) == ("succeeded", ("refunded", 4900))
        assert world.sandbox.ledger()["totals"]["usd"]["net"] == 0

    def test_that_is_lost_in_part_counts_what_was_taken(self, world: StripeWorld) -> None:
        payment = world.paid()
        dispute = world.sandbox.open_dispute(str(payment.payment_intent_id))["id"]
        world.sandbox.close_dispute(dispute, outcome="lost", given_back=900)

        world.tell(world.event("charge.dispute.closed"))

        assert state() == ("partially_refunded", 4000)


class TestARefundMadeInTheDashboardMeanwhile:
    def test_leaves_ours_called_off_and_no_task(self, world: StripeWorld) -> None:
        payment = world.paid()
        asked = refunds.request_refund(
            payment_id=payment.pk, amount_minor=None, reason=RefundReason.REQUESTED, actor=SYSTEM, now=utc_now()
        )
        world.client.v1.refunds.create({"payment_intent": str(payment.payment_intent_id)})
        world.tell(world.event("charge.refunded"))

        late = refunds.submit_refund(refund_id=asked.pk, now=utc_now())

        assert (late.status, state()) == ("canceled", ("refunded", 4900))
        assert not StaffTask.objects.exists()
