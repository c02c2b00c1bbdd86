"""What keeps money right when Stripe's messages come late, twice, or without their objects; on rows alone."""

import dataclasses
from typing import Any

import pytest

from accounts.models import StaffTask
from billing import checkout, disputes, inbox, refunds
from billing.checkout import session
from billing.errors import PaymentNotRefundable, PaymentRejected, RefundExceedsPayment
from billing.models import Checkout, Dispute, Payment, Refund, StripeEvent
from billing.states import RefundReason
from core.actors import SYSTEM
from core.clock import utc_now

from .factories import CheckoutFactory, PaymentFactory, paid
from .snapshots import AWAITING_THE_BANK, EXPIRED, REFUSED_BY_THE_BANK, Deaf, dispute, tell
from .stripe_world import published

pytestmark = pytest.mark.django_db


class TestASession:
    def test_that_was_completed_without_any_money_pays_for_nothing_and_asks_staff(self) -> None:
        asked = tell(CheckoutFactory(), payment_intent_id=None, amount_minor=0, payment_status="no_payment_required")

        assert (asked.status, Payment.objects.count(), published()) == ("open", 0, [])
        assert list(StaffTask.objects.values_list("kind", "subject")) == [("payment_mismatch", f"checkout:{asked.pk}")]

    @pytest.mark.parametrize("other", [{"amount_minor": 4800}, {"amount_minor": 5000}, {"currency": "eur"}])
    def test_of_other_money_than_was_asked_pays_for_nothing(self, other: dict[str, Any]) -> None:
        asked = tell(CheckoutFactory(), **other)

        payment = Payment.objects.get()
        assert (asked.status, payment.status, payment.is_mismatch, published()) == ("open", "pending", True, [])
        assert StaffTask.objects.get().subject == f"payment:{payment.pk}"

    def test_told_again_as_paid_is_paid_once(self) -> None:
        asked = CheckoutFactory()
        for _ in range(3):
            tell(asked)

        assert published() == ["payment.succeeded"]

    def test_told_late_as_waiting_for_the_bank_stays_paid(self) -> None:
        asked = tell(CheckoutFactory())

        late = tell(asked, **AWAITING_THE_BANK)

        assert (late.status, Payment.objects.get().status, published()) == ("paid", "paid", ["payment.succeeded"])

    def test_told_late_as_refused_by_the_bank_stays_paid(self) -> None:
        asked = tell(CheckoutFactory())

        late = tell(asked, **REFUSED_BY_THE_BANK)

        assert (late.status, Payment.objects.get().status, published()) == ("paid", "paid", ["payment.succeeded"])

    @pytest.mark.parametrize("before", [AWAITING_THE_BANK, REFUSED_BY_THE_BANK, {}])
    def test_told_late_as_expired_stays_what_it_was(self, before: dict[str, Any]) -> None:
        asked = tell(CheckoutFactory(), **before)

        late = tell(asked, **EXPIRED)

        assert (late.status, late.settled_at) == (asked.status, asked.settled_at)
        assert len(published()) == 1

    def test_told_twice_as_refused_fails_once(self) -> None:
        asked = tell(CheckoutFactory(), **AWAITING_THE_BANK)
        for _ in range(2):
            tell(asked, **REFUSED_BY_THE_BANK)

        assert Payment.objects.get().status == "failed"
        assert published() == ["payment.pending", "payment.failed"]


class TestAnEndedCheckout:
    @pytest.mark.parametrize("status", ["expired", "cancelled", "failed", "refused", "paid"])
    def test_submitted_again_asks_stripe_for_nothing(self, status: str, monkeypatch: pytest.MonkeyPatch) -> None:
        ended = CheckoutFactory(status=status)
        monkeypatch.setattr(session, "get_gateway", lambda: Deaf())

        again = checkout.submit_checkout(checkout_id=ended.pk, now=utc_now())

        assert (again.status, again.stripe_session_id) == (status, None)

    @pytest.mark.parametrize("status", ["expired", "cancelled", "failed", "refused", "paid"])
    def test_is_not_ended_again_by_who_gives_it_up(self, status: str) -> None:
        ended = CheckoutFactory(status=status)

        checkout.request_cancellation(checkout_id=ended.pk, now=utc_now())

        assert Checkout.objects.get().cancel_requested_at is None

    def test_refused_late_stays_what_its_other_try_made_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Two requests submit one intent; Stripe refuses the second after the first got its session."""
        intent = CheckoutFactory()

        class Late:
            def create_session(self, _: Any) -> Any:
                Checkout.objects.update(stripe_session_id="cs_1", url="https://pay.test/1")
                raise PaymentRejected(provider_code="resource_missing")

        monkeypatch.setattr(session, "get_gateway", Late)

        with pytest.raises(PaymentRejected):
            checkout.submit_checkout(checkout_id=intent.pk, now=utc_now())

        assert Checkout.objects.values_list("status", "stripe_session_id").get() == ("open", "cs_1")
        assert published() == []
        assert not StaffTask.objects.exists()


class TestARefund:
    def asked(self) -> Refund:
        return refunds.request_refund(
            payment_id=paid().pk, amount_minor=None, reason=RefundReason.REQUESTED, actor=SYSTEM, now=utc_now()
        )

    @pytest.mark.parametrize("status", ["pending", "succeeded", "canceled"])
    def test_that_stripe_has_is_not_failed_by_a_late_refusal(
        self, status: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Two workers submit one refund; the second is refused after the first was answered."""
        refund = self.asked()

        class Late:
            def create_refund(self, _: Any) -> Any:
                Refund.objects.filter(pk=refund.pk).update(status=status, stripe_refund_id="re_1")
                raise PaymentRejected(provider_code="charge_already_refunded")

        monkeypatch.setattr(refunds, "get_gateway", Late)

        late = refunds.submit_refund(refund_id=refund.pk, now=utc_now())

        assert (late.status, late.failure_reason) == (status, "")
        assert not StaffTask.objects.exists()

    @pytest.mark.parametrize("status", ["pending", "succeeded", "failed", "canceled"])
    def test_that_is_under_way_or_over_is_not_submitted_again(
        self, status: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        refund = self.asked()
        Refund.objects.update(status=status)
        monkeypatch.setattr(refunds, "get_gateway", lambda: Deaf())

        assert refunds.submit_refund(refund_id=refund.pk, now=utc_now()).status == status

    @pytest.mark.sqlite
    def test_of_what_is_promised_already_is_refused(self) -> None:
        refund = self.asked()

        with pytest.raises(RefundExceedsPayment):
            refunds.request_refund(
                payment_id=refund.payment_id, amount_minor=1, reason=RefundReason.REQUESTED, actor=SYSTEM, now=utc_now()
            )

        assert Refund.objects.count() == 1

    @pytest.mark.parametrize("status", ["pending", "failed", "refunded"])
    def test_of_money_that_is_not_here_is_refused(self, status: str) -> None:
        payment = PaymentFactory(status=status)

        with pytest.raises(PaymentNotRefundable):
            refunds.request_refund(
                payment_id=payment.pk, amount_minor=None, reason=RefundReason.REQUESTED, actor=SYSTEM, now=utc_now()
            )

        assert not Refund.objects.exists()

    def test_of_money_that_came_outside_stripe_is_refused(self) -> None:
        payment = paid()
        Payment.objects.update(method="offline", means="cash", recorded_by="system")

        with pytest.raises(PaymentNotRefundable, match="outside Stripe"):
            refunds.request_refund(
                payment_id=payment.pk, amount_minor=None, reason=RefundReason.REQUESTED, actor=SYSTEM, now=utc_now()
            )


class TestASecondEventOfOneDispute:
    def test_is_handled_like_the_first(self, monkeypatch: pytest.MonkeyPatch) -> None:
        payment = paid()
        first = dataclasses.replace(
            dispute(4900, status="needs_response"), payment_intent_id=str(payment.payment_intent_id)
        )
        monkeypatch.setattr(inbox, "get_gateway", lambda: Deaf(retrieve_dispute=first))
        for number, type in enumerate(["charge.dispute.created", "charge.dispute.updated"]):
            StripeEvent.objects.create(
                event_id=f"evt_{number}",
                type=type,
                payload={"id": first.id, "object": "dispute"},
                stripe_created_at=utc_now(),
            )
            inbox.handle_event(event_id=f"evt_{number}", now=utc_now())

        outcomes = set(StripeEvent.objects.values_list("outcome", "attempts"))
        assert outcomes == {(f"dispute {Dispute.objects.get().pk} is open", 0)}
        assert published() == ["payment.disputed"]

    @pytest.mark.sqlite
    def test_with_another_amount_is_kept(self) -> None:
        payment = paid()
        for amount in (4900, 1900):
            disputes.record_dispute(
                payment_id=payment.pk, snapshot=dispute(amount, status="needs_response"), now=utc_now()
            )

        assert Dispute.objects.values_list("amount_minor", "withdrawn_minor").get() == (1900, 1900)
