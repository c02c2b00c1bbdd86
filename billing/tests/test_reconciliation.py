import datetime as dt
import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from billing.errors import PaymentProviderDown
from billing.gateways import stripe
from billing.models import Checkout, Payment, ReconciliationRun, StripeEvent
from billing.reconciliation import reconcile_stripe
from core.clock import utc_now

from .stripe_world import StripeWorld, published

pytestmark = pytest.mark.django_db
HOUR = dt.timedelta(hours=1)


class TestReconciliation:
    def test_finds_the_payment_whose_webhook_never_came(self, world: StripeWorld) -> None:
        submitted = world.submitted()
        world.pay(submitted)

        found = reconcile_stripe(now=utc_now())

        event = StripeEvent.objects.get()
        assert found.missed_event_ids == [event.event_id]
        assert (event.source, event.outcome) == ("reconciliation", f"checkout {submitted.pk} is paid")
        assert Checkout.objects.get().status == "paid"

    def test_finds_a_refund_and_a_dispute_whose_webhooks_never_came(self, world: StripeWorld) -> None:
        refunded, disputed = world.paid(), world.paid()
        world.client.v1.refunds.create({"payment_intent": str(refunded.payment_intent_id)})
        world.sandbox.open_dispute(str(disputed.payment_intent_id))

        reconcile_stripe(now=utc_now())

        assert [Payment.objects.get(pk=p.pk).status for p in (refunded, disputed)] == ["refunded", "disputed"]

    def test_a_second_time_finds_nothing(self, world: StripeWorld) -> None:
        world.pay(world.submitted())
        reconcile_stripe(now=utc_now())

        found = reconcile_stripe(now=utc_now())

        assert (found.events_seen, found.missed_event_ids, found.stale_checkout_ids) == (1, [], [])
        assert published() == ["payment.succeeded"]

    def test_settles_a_checkout_that_has_not_kept_up(self, world: StripeWorld) -> None:
        submitted = world.submitted()
        world.pay(submitted)
        world.post(world.event("checkout.session.completed"))  # stored, but nobody handled it

        found = reconcile_stripe(now=utc_now())

        assert (found.missed_event_ids, found.stale_checkout_ids) == ([], [submitted.pk])
        assert Checkout.objects.get().status == "paid"

    @pytest.mark.sqlite
    def test_adopts_the_session_of_an_intent(self, world: StripeWorld) -> None:
        submitted = world.submitted()
        Checkout.objects.filter(pk=submitted.pk).update(stripe_session_id=None, url="")

        reconcile_stripe(now=utc_now())

        assert Checkout.objects.get().stripe_session_id == submitted.stripe_session_id

    def test_pages_through_everything(self, world: StripeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(stripe, "PAGE", 3)
        submitted = [world.submitted() for _ in range(7)]
        for each in submitted:
            world.pay(each)

        found = reconcile_stripe(now=utc_now())

        assert (found.events_seen, found.sessions_seen) == (7, 7)
        assert Payment.objects.filter(status="paid").count() == 7

    def test_looks_back_to_a_little_before_the_last_run(self, world: StripeWorld) -> None:
        start = utc_now()
        first = reconcile_stripe(now=start)
        second = reconcile_stripe(now=start + 5 * HOUR)

        assert first.window_start == start - 24 * HOUR
        assert second.window_start == start - HOUR

    def test_while_stripe_is_down_records_no_run(self, world: StripeWorld) -> None:
        world.sandbox.faults(server_error=True)

        with pytest.raises(PaymentProviderDown):
            reconcile_stripe(now=utc_now())

        assert not ReconciliationRun.objects.exists()


class TestTheCommand:
    def test_reports_in_json(self, world: StripeWorld) -> None:
        world.pay(world.submitted())

        report = json.loads(run("--json"))

        assert report["events_missed"] == [StripeEvent.objects.get().event_id]
        assert (report["events_seen"], report["sessions_seen"], report["checkouts_settled"]) == (1, 1, [])

    def test_reports_in_words(self, world: StripeWorld) -> None:
        world.pay(world.submitted())

        assert "Missed and handled: 1 events." in run("--since", "2")

    @pytest.mark.sqlite
    def test_only_reports_on_a_dry_run(self, world: StripeWorld) -> None:
        submitted = world.submitted()
        world.pay(submitted)

        report = run("--dry-run")

        assert "Missing here: 1 events." in report
        assert f"checkout {submitted.pk}" in report
        assert Checkout.objects.get().status == "open"
        assert not StripeEvent.objects.exists()
        assert not ReconciliationRun.objects.exists()

    @pytest.mark.parametrize("hours", ["0", "-1", "soon", "9999", "1_0", "1e2", "１２"])
    def test_refuses_hours_that_make_no_sense(self, hours: str) -> None:
        with pytest.raises(CommandError, match=r"give a number between 0\.001 and 720"):
            run("--since", hours)

    def test_fails_when_stripe_does_not_answer(self, world: StripeWorld) -> None:
        world.sandbox.faults(server_error=True)

        with pytest.raises(CommandError, match="Stripe can't be reached"):
            run()


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("reconcile_stripe", *arguments, stdout=out)
    return out.getvalue()
