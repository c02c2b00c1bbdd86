import datetime as dt
from typing import Any

import pytest
from django.urls import reverse

from accounts.models import User, Workspace
from accounts.states import Role
from backoffice.tests.staff_client import StaffClient, card, listed, said
from billing import payouts
from billing.checkout import settle_checkout
from billing.errors import PaymentProviderDown
from billing.gateways import stripe
from billing.models import Payment, Payout, PayoutLine
from billing.payouts import adopt_payout_lines, list_new_payouts, read_due_payouts, read_payout
from core.clock import utc_now
from core.errors import NotFound

from .stripe_world import StripeWorld

pytestmark = pytest.mark.django_db
FEE = 172  # 2.9 % of 49.00 USD, and 0.30 USD


def read_all() -> Payout:
    list_new_payouts(now=utc_now())
    read_due_payouts(limit=10, now=utc_now())
    return Payout.objects.get()


def kept() -> list[tuple[Any, ...]]:
    lines = PayoutLine.objects.order_by("moved_at", "id")
    return list(lines.values_list("kind", "amount_minor", "fee_minor", "payment"))


class TestReadingPayouts:
    @pytest.mark.sqlite
    def test_keeps_what_each_is_made_of(self, world: StripeWorld) -> None:
        payment, refunded = world.paid(), world.paid()
        world.client.v1.refunds.create({"payment_intent": str(refunded.payment_intent_id), "amount": 900})
        world.sandbox.pay_out()

        payout = read_all()

        assert (payout.amount_minor, payout.currency, payout.status) == (4900 - FEE + 4900 - FEE - 900, "usd", "paid")
        assert payout.lines_read_at is not None
        assert all(PayoutLine.objects.values_list("source_id", flat=True))
        assert sorted(kept()) == sorted(
            [
                ("payment", 4900, FEE, payment.pk),
                ("payment", 4900, FEE, refunded.pk),
                ("refund", -900, 0, refunded.pk),
            ]
        )
        assert set(PayoutLine.objects.values_list("workspace", flat=True)) == {
            payment.workspace_id,
            refunded.workspace_id,
        }

    def test_a_second_time_changes_nothing(self, world: StripeWorld) -> None:
        world.paid()
        world.sandbox.pay_out()
        before = read_all()

        read_payout(payout_id=before.pk, now=utc_now())

        assert Payout.objects.get().next_attempt_at is None
        assert len(kept()) == 1

    def test_again_brings_lost_lines_back_and_leaves_the_next_payout_as_it_is(self, world: StripeWorld) -> None:
        world.paid()
        world.sandbox.pay_out()
        lost = read_all()
        PayoutLine.objects.all().delete()
        beside = Payout.objects.get()
        beside.pk = None
        beside.stripe_id = "po_beside"
        beside.save(force_insert=True)

        again = read_payout(payout_id=lost.pk, now=utc_now())

        assert (again.pk, again.read_through) == (lost.pk, lost.read_through)
        assert list(PayoutLine.objects.values_list("payout", flat=True)) == [lost.pk]
        assert Payout.objects.get(stripe_id="po_beside").read_through == lost.read_through != ""

    def test_learns_what_became_of_those_of_the_last_days(self, world: StripeWorld) -> None:
        world.paid()
        world.sandbox.pay_out()
        read_all()
        Payout.objects.update(status="in_transit")

        assert list_new_payouts(now=utc_now()) == 1
        assert Payout.objects.get().status == "paid"

    def test_goes_on_at_the_page_where_it_broke_down(self, world: StripeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(stripe, "PAGE", 2)
        monkeypatch.setattr(payouts, "PAGE", 1)
        for _ in range(3):
            world.paid()
        world.sandbox.pay_out()
        list_new_payouts(now=utc_now())
        world.sandbox.faults(server_error={"value": True, "path": "/v1/balance_transactions"})
        read_due_payouts(limit=10, now=utc_now())
        broken = Payout.objects.get()
        world.sandbox.clear_faults()
        one = next(iter(stripe.get_gateway().list_payout_lines(broken.stripe_id)))
        payouts._keep_page(broken, [one])  # what the worker had committed before

        read_due_payouts(limit=10, now=utc_now() + dt.timedelta(hours=2))

        assert (broken.attempts, broken.lines_read_at, len(kept())) == (1, None, 3)
        assert "PaymentProviderDown" in broken.last_error

    def test_a_payment_that_nobody_knew_of_is_found_later(self, world: StripeWorld) -> None:
        submitted = world.submitted()
        world.pay(submitted)
        world.sandbox.pay_out()
        read_all()
        before = PayoutLine.objects.get()
        settle_checkout(checkout_id=submitted.pk, now=utc_now())

        assert adopt_payout_lines() == 1

        assert (before.payment_id, before.workspace_id) == (None, submitted.workspace_id)
        assert PayoutLine.objects.get().payment == Payment.objects.get()

    def test_of_one_that_is_not_known_is_refused(self) -> None:
        with pytest.raises(NotFound):
            read_payout(payout_id=1, now=utc_now())

    def test_while_stripe_is_down_keeps_nothing(self, world: StripeWorld) -> None:
        world.paid()
        world.sandbox.pay_out()
        world.sandbox.faults(server_error=True)

        with pytest.raises(PaymentProviderDown):
            list_new_payouts(now=utc_now())

        assert not Payout.objects.exists()


class TestThePages:
    def superuser(self, workspace: Workspace) -> StaffClient:
        client = StaffClient(workspace=workspace, role=Role.FINANCE)
        User.objects.filter(pk=client.user.pk).update(is_superuser=True)
        return client

    def test_show_the_lines_and_read_them_again(self, world: StripeWorld) -> None:
        payment = world.paid()
        world.sandbox.pay_out()
        payout = read_all()
        line = payout.lines.get()
        client = self.superuser(payment.workspace)
        page = reverse("admin:billing_payout_change", args=[payout.pk])
        shown = [("49.00 USD", "", "Payment, 1.72 USD fee")]

        answer = client.post(reverse("admin:billing_payout_read_again", args=[payout.pk]))

        assert said(answer) == ["Lines read: 1."]
        assert PayoutLine.objects.get() == line
        assert card(client, page, "Lines") == shown
        money = reverse("admin:billing_payment_change", args=[payment.pk])
        assert card(client, money, "In Stripe's payouts") == shown
        assert (
            payout.stripe_id in client.get(reverse("admin:billing_payoutline_change", args=[line.pk])).content.decode()
        )
        (row,) = listed(client, reverse("admin:billing_payoutline_changelist"))
        assert row[:4] == ["Payment", "49.00 USD", "1.72 USD", "47.28 USD"]

    def test_read_again_no_payout_that_staff_made_by_hand(self, world: StripeWorld) -> None:
        payment = world.paid()
        world.sandbox.pay_out()
        payout = read_all()
        Payout.objects.update(is_automatic=False)

        answer = self.superuser(payment.workspace).post(reverse("admin:billing_payout_read_again", args=[payout.pk]))

        assert "Read again is no longer possible" in said(answer)[0]

    def test_of_payouts_are_for_superusers_alone(self, world: StripeWorld) -> None:
        payment = world.paid()
        world.sandbox.pay_out()
        payout = read_all()
        owner = StaffClient(workspace=payment.workspace, role=Role.OWNER)

        for button in ("change", "read_again"):
            assert owner.get(reverse(f"admin:billing_payout_{button}", args=[payout.pk])).status_code in (403, 404)
