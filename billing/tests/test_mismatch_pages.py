"""The buttons that repair or explain a mismatch, and what its page says."""

from typing import Any

import pytest
from django.urls import reverse

from accounts.models import Workspace
from accounts.states import Role
from backoffice.tests.staff_client import StaffClient, said
from billing.invoicing import Buyer, issue_invoice
from billing.mismatches import look_for_mismatches
from billing.models import Invoice, Mismatch, Payment, PayoutLine, Refund
from core.clock import utc_now

from .factories import paid, paid_out
from .stripe_world import StripeWorld

pytestmark = pytest.mark.django_db

NOTE = {"note": "Month end"}
UNINVOICED = "Payment without its invoice or correction: 49.00 USD"


def finance_of(workspace: Workspace) -> StaffClient:
    return StaffClient(workspace=workspace, role=Role.FINANCE)


def found(workspace: Workspace, kind: str) -> Mismatch:
    look_for_mismatches(workspace_id=workspace.pk, now=utc_now())
    return Mismatch.objects.get(kind=kind)


def uninvoiced() -> Mismatch:
    return found(paid().workspace, "wrongly_invoiced")


def page(button: str, mismatch: Mismatch) -> str:
    return reverse(f"admin:billing_mismatch_{button}", args=[mismatch.pk])


def shown_state(mismatch: Mismatch) -> tuple[str, set[str]]:
    """Return what the page says about its state, and its buttons."""
    client = finance_of(mismatch.workspace)
    answer = client.get(reverse("admin:billing_mismatch_change", args=[mismatch.pk]))
    text = answer.content.decode()
    (state,) = [word for word in ("Settled", "Explained", "Open") if f">{word}<" in "".join(text.split())]
    buttons = {word for word in ("repair", "ask_stripe", "explain") if page(word, mismatch) in text}
    return state, buttons


class TestRepairing:
    def test_says_beforehand_what_it_does(self) -> None:
        mismatch = uninvoiced()

        answer = finance_of(mismatch.workspace).post(page("repair", mismatch), NOTE)

        ((title, preview),) = answer.context["previews"]
        assert title == UNINVOICED
        assert preview.sentences == ("Issues the missing invoice or correction with today's date.",)
        assert not Invoice.objects.exists()

    def test_makes_the_records_agree(self) -> None:
        mismatch = uninvoiced()

        answer = finance_of(mismatch.workspace).confirm(page("repair", mismatch), NOTE)

        mismatch.refresh_from_db()
        assert said(answer) == [f"{UNINVOICED}: the records agree now."]
        assert mismatch.settled_at is not None
        assert Invoice.objects.get().amount_minor == 4900

    def test_sends_money_back_in_the_name_of_who_pressed_it(self) -> None:
        payment = paid()
        Payment.objects.filter(pk=payment.pk).update(status="pending")
        mismatch = found(payment.workspace, "not_as_asked")
        finance = finance_of(payment.workspace)

        foreseen = finance.post(page("repair", mismatch), NOTE)
        finance.confirm(page("repair", mismatch), NOTE)

        ((_, preview),) = foreseen.context["previews"]
        assert preview.sentences == ("What is left of 49.00 USD goes back to the payer.",)
        refund = Refund.objects.get()
        assert (refund.actor, refund.requested_by, refund.note) == (
            f"user:{finance.user.pk}",
            finance.user,
            "Month end",
        )

    def test_that_has_yet_to_take_effect_says_so(self) -> None:
        payment = paid()
        issue_invoice(payment=payment, buyer=Buyer("parent@home.test"), now=utc_now())
        Payment.objects.filter(pk=payment.pk).update(status="pending")
        mismatch = found(payment.workspace, "not_as_asked")

        answer = finance_of(payment.workspace).confirm(page("repair", mismatch), NOTE)

        mismatch.refresh_from_db()
        assert said(answer) == [
            "Amount that differs from the price: 49.00 USD: done. The records agree once it has taken effect; "
            "they will be compared again."
        ]
        assert mismatch.settled_at is None

    def test_needs_a_reason(self) -> None:
        mismatch = uninvoiced()

        answer = finance_of(mismatch.workspace).confirm(page("repair", mismatch), {"note": ""})

        assert answer.context["form"].errors == {"note": ["This field is required."]}
        assert not Invoice.objects.exists()


class TestAskingStripe:
    def unknown_refund(self, world: StripeWorld) -> Mismatch:
        """Find a refund that somebody made in Stripe's dashboard."""
        payment = world.paid()
        made = world.client.v1.refunds.create({"payment_intent": payment.payment_intent_id, "amount": 900})
        line = paid_out(payment)
        PayoutLine.objects.filter(pk=line.pk).update(kind="refund", source_id=made.id)
        return found(payment.workspace, "unknown_refund")

    def test_records_the_refund_that_stripe_alone_knew(self, world: StripeWorld) -> None:
        mismatch = self.unknown_refund(world)

        answer = finance_of(mismatch.workspace).confirm(page("ask_stripe", mismatch), NOTE)

        mismatch.refresh_from_db()
        assert said(answer) == ["Refunded at Stripe, not here: 49.00 USD: the records agree now."]
        assert mismatch.settled_at is not None
        assert Refund.objects.get().amount_minor == 900

    def test_is_refused_for_money_that_no_checkout_asked_for(self, world: StripeWorld) -> None:
        payment = paid()
        paid_out(payment)
        PayoutLine.objects.update(payment=None, payment_intent_id="pi_of_somebody_else")
        mismatch = found(payment.workspace, "unknown_payment")

        answer = finance_of(mismatch.workspace).confirm(page("ask_stripe", mismatch), NOTE)

        told = "No checkout of ours asked for this money. Refund it in Stripe's dashboard, or explain it."
        assert answer.context["form"].non_field_errors() == [told]
        mismatch.refresh_from_db()
        assert mismatch.settled_at is None

    @pytest.mark.parametrize(
        ("kind", "sentence"),
        [
            ("unknown_payment", "Fetches its checkout from Stripe and records the payment."),
            ("unknown_refund", "Fetches all refunds of the payment from Stripe and records them."),
            ("payout_differs", "Fetches all lines of the payout from Stripe again."),
        ],
    )
    def test_says_beforehand_what_is_fetched(self, kind: str, sentence: str) -> None:
        mismatch = uninvoiced()
        Mismatch.objects.update(kind=kind)

        answer = finance_of(mismatch.workspace).post(page("ask_stripe", mismatch), NOTE)

        ((_, preview),) = answer.context["previews"]
        assert preview.sentences == (sentence,)


class TestExplaining:
    def test_keeps_the_explanation_with_who_gave_it(self) -> None:
        mismatch = uninvoiced()
        finance = finance_of(mismatch.workspace)

        answer = finance.post(page("explain", mismatch), {"note": "Invoiced on paper"})

        mismatch.refresh_from_db()
        assert said(answer) == [f"{UNINVOICED}: explained."]
        assert (mismatch.explanation, mismatch.explained_by) == ("Invoiced on paper", f"user:{finance.user.pk}")
        assert (mismatch.explained_at is not None, mismatch.settled_at) == (True, None)


class TestThePage:
    @pytest.mark.parametrize(
        ("changed", "state", "buttons"),
        [
            ({}, "Open", {"repair", "explain"}),
            ({"kind": "unknown_refund"}, "Open", {"ask_stripe", "explain"}),
            ({"kind": "of_an_app_that_is_gone"}, "Open", {"explain"}),
            ({"explained_at": utc_now(), "explained_by": "user:7", "explanation": "On paper"}, "Explained", {"repair"}),
            ({"settled_at": utc_now()}, "Settled", set()),
            ({"kind": "unknown_refund", "settled_at": utc_now()}, "Settled", set()),
        ],
    )
    def test_offers_what_can_be_done_about_it(self, changed: dict[str, Any], state: str, buttons: set[str]) -> None:
        mismatch = uninvoiced()
        Mismatch.objects.update(**changed)

        assert shown_state(mismatch) == (state, buttons)

    def test_says_what_it_means(self) -> None:
        mismatch = uninvoiced()

        answer = finance_of(mismatch.workspace).get(reverse("admin:billing_mismatch_change", args=[mismatch.pk]))

        told = "The total of a payment's invoice and its corrections differs from what is left of the payment."
        assert told.replace("'", "&#x27;") in answer.content.decode()
