import datetime as dt
from typing import Any

import pytest

from accounts.models import Workspace
from billing.errors import MismatchOver
from billing.invoicing import Buyer, issue_invoice
from billing.mismatches import explain_mismatch, look_for_mismatches, repair_mismatch
from billing.models import Invoice, Mismatch, Payment, PayoutLine, Refund
from billing.refunds import request_refund
from billing.states import RefundReason
from core.actors import Actor
from core.clock import utc_now
from core.errors import NotFound
from tests.lock_order import recorded_locks

from .factories import paid, paid_out
from .stripe_world import StripeWorld

pytestmark = pytest.mark.django_db
FINANCE = Actor("user", 7)


def look(workspace: Workspace) -> list[tuple[str, str]]:
    """Return the standing mismatches: kind and subject."""
    look_for_mismatches(workspace_id=workspace.pk, now=utc_now())
    standing = Mismatch.objects.standing().filter(workspace=workspace).order_by("kind")
    return list(standing.values_list("kind", "subject"))


def repair(mismatch: Mismatch) -> Mismatch:
    return repair_mismatch(mismatch_id=mismatch.pk, actor=FINANCE, user=None, note="Month end", now=utc_now())


def invoiced() -> Payment:
    payment = paid()
    issue_invoice(payment=payment, buyer=Buyer("parent@home.test"), now=utc_now())
    return payment


class TestLooking:
    @pytest.mark.sqlite
    def test_finds_nothing_where_all_agrees(self) -> None:
        payment = invoiced()
        paid_out(payment)

        assert look(payment.workspace) == []

    def test_a_second_time_keeps_what_stands_once(self) -> None:
        payment = paid()

        found = [look(payment.workspace) for _ in range(2)]

        assert found == [[("wrongly_invoiced", f"payment:{payment.pk}")]] * 2
        assert Mismatch.objects.count() == 1

    def test_ends_what_came_to_agree(self) -> None:
        payment = paid()
        look(payment.workspace)
        issue_invoice(payment=payment, buyer=Buyer("parent@home.test"), now=utc_now())

        assert look(payment.workspace) == []
        assert Mismatch.objects.get().settled_at is not None

    def test_ends_several_at_once_in_the_order_of_their_keys(self) -> None:
        payments = [paid() for _ in range(2)]
        Payment.objects.update(workspace=payments[0].workspace)
        look(payments[0].workspace)
        for payment in Payment.objects.order_by("pk"):
            issue_invoice(payment=payment, buyer=Buyer("parent@home.test"), now=utc_now())

        with recorded_locks() as recorder:
            assert look(payments[0].workspace) == []

        assert recorder.rows_out_of_order() == []

    def test_names_each_kind_of_money_that_does_not_agree(self) -> None:
        payment, misfit, failing = invoiced(), invoiced(), invoiced()
        Payment.objects.filter(pk__in=[misfit.pk, failing.pk]).update(workspace=payment.workspace)
        Payment.objects.filter(pk=misfit.pk).update(status="pending")
        Refund.objects.create(payment=failing, amount_minor=900, reason="requested", status="failed", actor="user:7")
        Invoice.objects.filter(payment=failing).update(
            workspace=payment.workspace, status="failed", number="", issued_at=None
        )
        unknown, back = paid_out(payment, off_by=5), paid_out(payment)
        PayoutLine.objects.filter(pk=unknown.pk).update(payment=None, payment_intent_id="")
        PayoutLine.objects.filter(pk=back.pk).update(kind="refund", source_id="re_dashboard")

        assert look(payment.workspace) == [
            ("failed_invoice", f"invoice:{Invoice.objects.get(payment=failing).pk}"),
            ("failed_refund", f"refund:{Refund.objects.get().pk}"),
            ("not_as_asked", f"payment:{misfit.pk}"),
            ("payout_differs", f"payout:{unknown.payout_id}"),
            ("unknown_payment", f"payout-line:{unknown.pk}"),
            ("unknown_refund", f"payout-line:{back.pk}"),
        ]


class TestRepairing:
    def test_issues_the_invoice_that_is_missing(self) -> None:
        payment = paid()
        look(payment.workspace)

        repaired = repair(Mismatch.objects.get())

        assert repaired.settled_at is not None
        assert Invoice.objects.get().amount_minor == payment.amount_minor

    def test_sends_back_what_was_not_asked(self) -> None:
        payment = invoiced()
        Payment.objects.filter(pk=payment.pk).update(status="pending")
        look(payment.workspace)

        repair(Mismatch.objects.get(kind="not_as_asked"))

        refund = Refund.objects.get()
        assert (refund.amount_minor, refund.actor, refund.note) == (payment.amount_minor, "user:7", "Month end")

    def test_fetches_the_payment_that_stripe_alone_knows(self, world: StripeWorld) -> None:
        submitted = world.submitted()
        world.pay(submitted)
        line = paid_out(paid())
        intent = world.sandbox.ledger()["payments"][0]["id"]
        PayoutLine.objects.filter(pk=line.pk).update(
            payment=None, payment_intent_id=intent, workspace=submitted.workspace, fee_minor=0
        )
        look_for_mismatches(workspace_id=submitted.workspace_id, now=utc_now())

        repaired = repair(Mismatch.objects.get(kind="unknown_payment"))

        assert repaired.settled_at is not None
        assert PayoutLine.objects.get(pk=line.pk).payment == Payment.objects.get(checkout=submitted)

    def test_of_one_that_is_over_is_refused(self) -> None:
        payment = paid()
        look(payment.workspace)
        repair(Mismatch.objects.get())

        with pytest.raises(MismatchOver):
            repair(Mismatch.objects.get())

        assert Invoice.objects.count() == 1

    def test_sends_nothing_again_that_was_sent_since_the_search(self) -> None:
        payment = invoiced()
        Refund.objects.create(payment=payment, amount_minor=900, reason="requested", status="failed", actor="user:7")
        look(payment.workspace)
        request_refund(
            payment_id=payment.pk, amount_minor=900, reason=RefundReason.REQUESTED, actor=FINANCE, now=utc_now()
        )

        with pytest.raises(MismatchOver):
            repair(Mismatch.objects.get(kind="failed_refund"))

        assert Refund.objects.exclude(status="failed").count() == 1
        assert look(payment.workspace) == []


class TestExplaining:
    def test_leaves_it_standing_and_waiting_for_nobody(self) -> None:
        payment = paid()
        look(payment.workspace)

        explained = explain_mismatch(
            mismatch_id=Mismatch.objects.get().pk, explanation="On paper", actor=FINANCE, now=utc_now()
        )

        assert (explained.explanation, explained.explained_by) == ("On paper", "user:7")
        assert look(payment.workspace) == [("wrongly_invoiced", f"payment:{payment.pk}")]
        assert not Mismatch.objects.unexplained().exists()

    @pytest.mark.parametrize(("is_over", "refusal"), [(True, MismatchOver), (False, NotFound)])
    def test_of_one_that_does_not_stand_is_refused(self, is_over: bool, refusal: Any) -> None:
        payment = paid()
        look(payment.workspace)
        Mismatch.objects.update(settled_at=utc_now() - dt.timedelta(hours=1))
        mismatch_id = Mismatch.objects.get().pk if is_over else 0

        with pytest.raises(refusal):
            explain_mismatch(mismatch_id=mismatch_id, explanation="On paper", actor=FINANCE, now=utc_now())
