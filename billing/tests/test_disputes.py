import itertools

import pytest

from accounts.models import StaffTask
from billing import refunds
from billing.disputes import record_dispute
from billing.errors import PaymentNotRefundable
from billing.gateways.stripe import get_gateway
from billing.models import Dispute, Payment
from billing.states import RefundReason
from enrollment_project.core.actors import SYSTEM
from enrollment_project.core.clock import utc_now

from .stripe_world import StripeWorld, published

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


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
                payment_id=payment.pk, amount_minor=None, reason=RefundReason.REQUESTED, actor=SYSTEM
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
            payment_id=payment.pk, amount_minor=1000, reason=RefundReason.REQUESTED, actor=SYSTEM
        )
        refunds.submit_refund(refund_id=refund.pk)
        dispute = world.sandbox.open_dispute(str(payment.payment_intent_id))["id"]
        world.sandbox.close_dispute(dispute, outcome="lost")

        world.tell(world.event("charge.dispute.closed"))

        assert state() == ("refunded", 4900)
