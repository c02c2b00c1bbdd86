"""Actions on one sum of money leave its neighbors unchanged: payments, refunds, invoices, events."""

import datetime as dt
from dataclasses import replace
from typing import Any

import pytest

from accounts.models import StaffTask
from billing import inbox, refunds
from billing.errors import PaymentProviderDown, PaymentRejected
from billing.gateways.contract import RefundRequest, RefundSnapshot
from billing.invoicing import Buyer, correct_invoice, issue_invoice
from billing.models import Dispute, Invoice, Payment, Refund, StripeEvent
from billing.states import RefundReason
from core.actors import SYSTEM
from core.clock import utc_now
from core.errors import NotFound

from .factories import CheckoutFactory, PaymentFactory, paid, statuses
from .snapshots import Deaf, arrive, dispute, refund, session
from .stripe_world import published

pytestmark = pytest.mark.django_db

NOW = utc_now()
EARLIER = NOW - dt.timedelta(hours=1)


def asked(amount_minor: int | None = None) -> Refund:
    """Return a refund that we want and Stripe does not know yet."""
    return refunds.request_refund(
        payment_id=paid().pk, amount_minor=amount_minor, reason=RefundReason.REQUESTED, actor=SYSTEM, now=utc_now()
    )


class Obliging:
    """A Stripe that makes every refund at once."""

    def create_refund(self, request: RefundRequest) -> RefundSnapshot:
        made = refund(request.money.minor)
        return replace(made, id=f"re_of_{request.reference}", reference=request.reference)


class TestARefund:
    def test_of_a_payment_that_is_not_there_is_refused_beside_one_that_is(self) -> None:
        beside = paid()

        with pytest.raises(NotFound):
            refunds.request_refund(
                payment_id=beside.pk + 1, amount_minor=None, reason=RefundReason.REQUESTED, actor=SYSTEM, now=utc_now()
            )

        assert not Refund.objects.exists()

    def test_is_submitted_alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        beside, submitting = asked(), asked()
        monkeypatch.setattr(refunds, "get_gateway", Obliging)

        refunds.submit_refund(refund_id=submitting.pk, now=utc_now())

        assert statuses(submitting, beside) == ["succeeded", "requested"]
        assert statuses(submitting.payment, beside.payment) == ["refunded", "paid"]

    def test_that_stripe_did_not_answer_to_delays_no_other(self, monkeypatch: pytest.MonkeyPatch) -> None:
        submitting, beside = asked(), asked()
        monkeypatch.setattr(refunds, "get_gateway", lambda: Deaf(create_refund=PaymentProviderDown("No answer.")))

        refunds.submit_refund(refund_id=submitting.pk, now=utc_now())

        assert list(Refund.objects.order_by("pk").values_list("attempts", flat=True)) == [1, 0]
        assert Refund.objects.get(pk=beside.pk).next_attempt_at == beside.next_attempt_at
        assert not StaffTask.objects.exists()

    def test_made_in_the_dashboard_is_not_taken_for_the_one_that_we_want(self) -> None:
        wanted = asked(1000)

        arrive(wanted.payment, refund(1000))

        assert list(Refund.objects.order_by("pk").values_list("status", "reason")) == [
            ("requested", "requested"),
            ("succeeded", "outside"),
        ]

    def test_that_repeats_the_reference_of_ours_is_another(self) -> None:
        """Somebody copied our metadata to a second refund: both sums are gone."""
        wanted = asked(1000)
        ours = replace(refund(1000, number=1), reference=wanted.reference)
        copy = replace(refund(1000, number=2), reference=wanted.reference)

        payment = arrive(wanted.payment, ours, copy)

        assert payment.refunded_minor == 2000
        assert list(Refund.objects.order_by("pk").values_list("reason", flat=True)) == ["requested", "outside"]


class TestTheSweepOfRefunds:
    def test_submits_each_that_is_due(self, monkeypatch: pytest.MonkeyPatch) -> None:
        due, late, early = asked(), asked(), asked()
        Refund.objects.filter(pk__in=[due.pk, late.pk]).update(next_attempt_at=EARLIER)
        monkeypatch.setattr(refunds, "get_gateway", Obliging)

        assert refunds.submit_due_refunds(now=utc_now()) == 2
        assert statuses(due, late, early) == ["succeeded", "succeeded", "requested"]

    def test_looks_at_none_that_is_over(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for status in ("succeeded", "failed", "canceled"):
            Refund.objects.filter(pk=asked().pk).update(status=status, next_attempt_at=EARLIER)
        monkeypatch.setattr(refunds, "get_gateway", lambda: Deaf())

        assert refunds.submit_due_refunds(now=utc_now()) == 0

    def test_goes_no_further_while_stripe_does_not_answer(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for number in (3, 2):
            Refund.objects.filter(pk=asked().pk).update(next_attempt_at=NOW - dt.timedelta(hours=number))
        monkeypatch.setattr(refunds, "get_gateway", lambda: Deaf(create_refund=PaymentProviderDown("No answer.")))

        assert refunds.submit_due_refunds(now=utc_now()) == 0
        assert list(Refund.objects.order_by("pk").values_list("status", "attempts")) == [
            ("requested", 1),
            ("requested", 0),
        ]

    def test_fails_none_because_stripe_will_not_list_them(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A key without the permission to read refunds says nothing about them."""
        pending = asked()
        Refund.objects.update(status="pending", stripe_refund_id="re_1")
        refusal = PaymentRejected(provider_code="permission_denied")
        monkeypatch.setattr(refunds, "get_gateway", lambda: Deaf(list_refunds=refusal))

        with pytest.raises(PaymentRejected):
            refunds.settle_refunds(payment_id=pending.payment_id, now=utc_now())

        assert statuses(pending, pending.payment) == ["pending", "paid"]
        assert not StaffTask.objects.exists()


class TestMoneyThatDidNotFit:
    def test_is_seen_to_be_back_after_its_checkout_has_ended(self) -> None:
        payment = PaymentFactory(checkout__status="expired", paid_at=NOW)

        arrive(payment, refund(4900))

        assert statuses(payment, payment.checkout) == ["refunded", "expired"]
        assert published() == ["payment.refunded"]


class TestADispute:
    @pytest.mark.sqlite
    def test_stands_beside_another_of_the_same_payment(self) -> None:
        payment = arrive(paid(), dispute(1000, status="won", number=1), dispute(500, status="lost", number=2))

        assert (payment.status, payment.refunded_minor) == ("partially_refunded", 500)
        disputes = Dispute.objects.order_by("pk").values_list("status", "withdrawn_minor")
        assert list(disputes) == [("won", 0), ("lost", 500)]

    @pytest.mark.parametrize(
        ("status", "known", "withdrawn"),
        [
            ("needs_response", None, 1000),
            ("needs_response", 0, 0),
            ("needs_response", 400, 400),
            ("lost", None, 1000),
            ("lost", 0, 1000),
            ("lost", 400, 400),
            ("lost", 2000, 1000),
            ("won", 1000, 0),
            ("warning_needs_response", None, 0),
            ("warning_closed", 1000, 0),
        ],
    )
    def test_withholds_what_stripe_lists_and_where_it_lists_nothing_what_its_status_means(
        self, status: str, known: int | None, withdrawn: int
    ) -> None:
        arrive(paid(), dispute(1000, status=status, withdrawn_minor=known))

        assert Dispute.objects.get().withdrawn_minor == withdrawn


class TestAnInvoice:
    BUYER = Buyer(email="parent@example.test")

    def invoiced(self) -> Payment:
        payment = paid()
        issue_invoice(payment=payment, buyer=self.BUYER, now=NOW)
        return payment

    def sent_back(self, payment: Payment, minor: int) -> Invoice:
        payment.refunded_minor += minor
        correction = correct_invoice(payment=payment, now=NOW)
        assert correction is not None
        return correction

    def test_is_corrected_by_what_its_own_payment_lost(self) -> None:
        beside, payment = self.invoiced(), self.invoiced()
        self.invoiced()

        correction = self.sent_back(payment, 1000)

        assert (correction.payment, correction.amount_minor) == (payment, -1000)
        assert correction.corrects == payment.invoices.get(corrects=None)
        assert list(beside.invoices.values_list("amount_minor", flat=True)) == [4900]

    @pytest.mark.sqlite
    def test_and_not_its_correction_is_what_the_next_one_corrects(self) -> None:
        payment = self.invoiced()
        first = self.sent_back(payment, 1000)

        second = self.sent_back(payment, 500)

        assert second.corrects == first.corrects == Invoice.objects.get(corrects=None)
        assert (second.lines[0]["description"], second.amount_minor) == ("Refund: Algebra I", -500)

    def test_is_found_again_after_its_corrections(self) -> None:
        payment = self.invoiced()
        correction = self.sent_back(payment, 1000)

        again = issue_invoice(payment=payment, buyer=self.BUYER, now=NOW)

        assert again == correction.corrects


def event(number: int = 1, *, type: str = "charge.refunded", **fields: Any) -> StripeEvent:
    payload = {"id": "ch_1", "object": "charge", "payment_intent": "pi_told"}
    defaults = {"payload": payload, "stripe_created_at": NOW, "next_attempt_at": EARLIER}
    return StripeEvent.objects.create(event_id=f"evt_{number}", type=type, **(defaults | fields))


class TestAnEvent:
    def test_of_money_that_is_not_ours_changes_none_of_ours(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ours = paid()
        event()
        monkeypatch.setattr(
            inbox, "get_gateway", lambda: Deaf(list_refunds=[refund(4900)], find_session_of_payment=None)
        )

        inbox.handle_event(event_id="evt_1", now=utc_now())

        assert StripeEvent.objects.get().outcome == inbox.NOT_OURS
        assert statuses(ours) == ["paid"]
        assert not Refund.objects.exists()

    @pytest.mark.parametrize("is_pending", [False, True])
    def test_of_a_refund_brings_in_its_payment_first_though_others_are_here(
        self, is_pending: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        paid()
        checkout = CheckoutFactory(stripe_session_id="cs_1")
        if is_pending:
            PaymentFactory(checkout=checkout, payment_intent_id="pi_told")
        brought = session(checkout, id="cs_1", payment_intent_id="pi_told")
        event()
        monkeypatch.setattr(
            inbox,
            "get_gateway",
            lambda: Deaf(list_refunds=[refund(4900)], find_session_of_payment=brought, retrieve_session=brought),
        )

        inbox.handle_event(event_id="evt_1", now=utc_now())

        payment = Payment.objects.get(checkout=checkout)
        assert (payment.status, StripeEvent.objects.get().outcome) == (
            "refunded",
            f"payment {payment.pk} is refunded",
        )
        assert published() == ["payment.succeeded", "payment.refunded"]

    def test_of_a_dispute_about_no_payment_is_not_ours(self, monkeypatch: pytest.MonkeyPatch) -> None:
        paid()
        event(type="charge.dispute.created", payload={"id": "du_1", "object": "dispute"})
        elsewhere = replace(dispute(4900, status="needs_response"), payment_intent_id="")
        monkeypatch.setattr(inbox, "get_gateway", lambda: Deaf(retrieve_dispute=elsewhere))

        inbox.handle_event(event_id="evt_1", now=utc_now())

        assert StripeEvent.objects.values_list("outcome", "attempts").get() == (inbox.NOT_OURS, 0)
        assert not Dispute.objects.exists()

    @pytest.mark.sqlite
    def test_of_a_session_that_nobody_knows_is_about_no_money_of_ours(self, monkeypatch: pytest.MonkeyPatch) -> None:
        CheckoutFactory(stripe_session_id="cs_ours")
        paid()
        event(type="checkout.session.expired", payload={"id": "cs_gone", "object": "checkout.session"})
        gone = PaymentRejected(provider_code="resource_missing")
        monkeypatch.setattr(inbox, "get_gateway", lambda: Deaf(retrieve_session=gone))

        inbox.handle_event(event_id="evt_1", now=utc_now())

        assert StripeEvent.objects.get().outcome == inbox.NOT_OURS
        assert not StaffTask.objects.exists()

    def test_is_handled_alone(self) -> None:
        for number in (1, 2):
            event(number)

        inbox.record_effect(event_id="evt_1", effect=lambda: "done", now=NOW)

        assert list(StripeEvent.objects.order_by("pk").values_list("outcome", "handled_at")) == [
            ("done", NOW),
            ("", None),
        ]

    def test_that_fails_delays_no_other(self, monkeypatch: pytest.MonkeyPatch) -> None:
        event(1)
        beside = event(2)
        monkeypatch.setattr(inbox, "get_gateway", lambda: Deaf(list_refunds=PaymentProviderDown("No answer.")))

        inbox.handle_event(event_id="evt_1", now=utc_now())

        assert list(StripeEvent.objects.order_by("pk").values_list("attempts", flat=True)) == [1, 0]
        assert StripeEvent.objects.get(event_id="evt_2").next_attempt_at == beside.next_attempt_at

    @pytest.mark.sqlite
    def test_that_was_handled_is_not_tried_again_by_the_sweep(self, monkeypatch: pytest.MonkeyPatch) -> None:
        event(1, handled_at=EARLIER, outcome="done")
        event(2)
        monkeypatch.setattr(inbox, "get_gateway", lambda: Deaf(list_refunds=[], find_session_of_payment=None))

        assert inbox.handle_due_events(now=utc_now()) == 1
        assert list(StripeEvent.objects.order_by("pk").values_list("outcome", flat=True)) == ["done", inbox.NOT_OURS]
