import datetime as dt

import pytest

from accounts.models import StaffTask
from billing import checkout
from billing.errors import PaymentProviderDown
from billing.models import Checkout, Payment
from core.clock import utc_now
from core.errors import NotFound

from .factories import PURPOSE, CheckoutFactory, PriceFactory
from .stripe_world import StripeWorld, published

pytestmark = pytest.mark.django_db
MINUTE, HOUR = dt.timedelta(minutes=1), dt.timedelta(hours=1)


def open_one(*, subject: str = "7", price_minor: int = 4900) -> Checkout:
    price = PriceFactory(amount_minor=price_minor)
    return checkout.open_checkout(
        workspace_id=price.workspace_id,
        purpose=PURPOSE,
        subject=subject,
        price=price,
        description="Algebra I",
        success_url="http://testserver/done",
        cancel_url="http://testserver/cancelled",
        expires_at=utc_now() + HOUR,
        now=utc_now(),
    )


class TestOpeningACheckout:
    def test_records_what_is_asked_and_calls_nobody(self) -> None:
        opened = open_one()

        assert (opened.status, opened.amount_minor, opened.currency) == ("open", 4900, "usd")
        assert (opened.stripe_session_id, opened.url) == (None, "")
        assert published() == []

    def test_returns_the_live_one_of_the_same_subject(self) -> None:
        first = open_one(subject="7")

        again = open_one(subject="7", price_minor=9900)

        assert again.pk == first.pk
        assert again.amount_minor == 4900

    def test_makes_a_new_one_when_the_last_has_ended(self, world: StripeWorld) -> None:
        first = open_one(subject="7")
        checkout.cancel_checkout(checkout_id=first.pk, now=utc_now())

        assert open_one(subject="7").pk != first.pk


class TestSubmittingACheckout:
    def test_keeps_what_stripe_made(self, world: StripeWorld) -> None:
        submitted = checkout.submit_checkout(checkout_id=open_one().pk, now=utc_now())

        (session,) = world.sandbox.ledger()["sessions"]
        assert submitted.stripe_session_id == session["id"]
        assert submitted.url == f"{world.sandbox.url}/c/pay/{session['id']}"
        assert (session["amount"], session["currency"]) == (4900, "usd")

    def test_tells_stripe_ids_and_nothing_about_people(self, world: StripeWorld) -> None:
        submitted = checkout.submit_checkout(checkout_id=open_one(subject="7").pk, now=utc_now())

        (session,) = world.sandbox.ledger()["sessions"]
        assert session["metadata"] == {
            "workspaceId": str(submitted.workspace_id),
            "checkoutId": str(submitted.pk),
            "purpose": PURPOSE,
            "subject": "7",
        }
        assert session["client_reference_id"] == submitted.reference

    def test_again_returns_it_as_it_is(self, world: StripeWorld) -> None:
        first = world.submitted()

        again = checkout.submit_checkout(checkout_id=first.pk, now=utc_now())

        assert again.stripe_session_id == first.stripe_session_id
        assert len(world.sandbox.ledger()["sessions"]) == 1

    def test_uses_the_price_that_is_kept_in_stripe(self, world: StripeWorld) -> None:
        kept = world.client.v1.prices.create(
            {"currency": "usd", "unit_amount": 4900, "product_data": {"name": "Algebra I"}}
        )

        submitted = world.submitted(price=PriceFactory(stripe_price_id=kept.id))

        items = world.client.v1.checkout.sessions.line_items.list(str(submitted.stripe_session_id))
        assert [item.price.id for item in items.data if item.price] == [kept.id]

    def test_of_no_checkout_is_not_found(self) -> None:
        with pytest.raises(NotFound):
            checkout.submit_checkout(checkout_id=0, now=utc_now())

    @pytest.mark.parametrize("lost", ["close", "500"])
    def test_after_a_lost_answer_finds_the_one_session_that_was_made(self, world: StripeWorld, lost: str) -> None:
        intent = CheckoutFactory()
        world.sandbox.faults(lost_answer={"value": lost, "times": 1})
        with pytest.raises(PaymentProviderDown):
            checkout.submit_checkout(checkout_id=intent.pk, now=utc_now())

        submitted = checkout.submit_checkout(checkout_id=intent.pk, now=utc_now())

        (session,) = world.sandbox.ledger()["sessions"]
        assert submitted.stripe_session_id == session["id"]

    @pytest.mark.parametrize("fault", [{"server_error": {"times": 1}}, {"rate_limit": {"times": 1, "retry_after": 7}}])
    def test_while_stripe_fails_keeps_the_intent_for_the_next_try(self, world: StripeWorld, fault: dict) -> None:
        intent = CheckoutFactory()
        world.sandbox.faults(**fault)

        with pytest.raises(PaymentProviderDown):
            checkout.submit_checkout(checkout_id=intent.pk, now=utc_now())

        assert Checkout.objects.get(pk=intent.pk).stripe_session_id is None
        assert checkout.submit_checkout(checkout_id=intent.pk, now=utc_now()).stripe_session_id


class TestSettlingACheckout:
    def test_that_is_open_changes_nothing(self, world: StripeWorld) -> None:
        submitted = world.submitted()

        settled = checkout.settle_checkout(checkout_id=submitted.pk, now=utc_now())

        assert settled.status == "open"
        assert published() == []

    def test_that_was_paid_records_the_money_once(self, world: StripeWorld) -> None:
        submitted = world.submitted()
        world.pay(submitted)

        settled = checkout.settle_checkout(checkout_id=submitted.pk, now=utc_now())
        checkout.settle_checkout(checkout_id=submitted.pk, now=utc_now())

        payment = Payment.objects.get()
        assert (settled.status, settled.payer_email) == ("paid", "parent@example.test")
        assert (payment.status, payment.amount_minor, payment.currency) == ("paid", 4900, "usd")
        assert payment.payment_intent_id == world.sandbox.ledger()["payments"][0]["id"]
        assert published() == ["payment.succeeded"]

    def test_after_a_declined_card_leaves_it_open(self, world: StripeWorld) -> None:
        submitted = world.submitted()
        world.pay(submitted, card="declined")

        assert checkout.settle_checkout(checkout_id=submitted.pk, now=utc_now()).status == "open"
        assert not Payment.objects.exists()

    def test_that_expired_ends_it(self, world: StripeWorld) -> None:
        submitted = world.submitted()
        world.sandbox.advance_clock(seconds=3 * 3600)

        settled = checkout.settle_checkout(checkout_id=submitted.pk, now=utc_now())
        checkout.settle_checkout(checkout_id=submitted.pk, now=utc_now())

        assert settled.status == "expired"
        assert published() == ["payment.checkout_expired"]

    @pytest.mark.parametrize(
        ("asked", "currency"), [(9900, "usd"), (100, "usd"), (4900, "eur")], ids=["less", "more", "another currency"]
    )
    def test_with_other_money_than_was_asked_fulfils_nothing(
        self, world: StripeWorld, asked: int, currency: str
    ) -> None:
        submitted = world.submitted()
        world.pay(submitted)
        Checkout.objects.filter(pk=submitted.pk).update(amount_minor=asked, currency=currency)

        settled = checkout.settle_checkout(checkout_id=submitted.pk, now=utc_now())
        checkout.settle_checkout(checkout_id=submitted.pk, now=utc_now())

        payment = Payment.objects.get()
        assert (settled.status, payment.status, payment.is_mismatch) == ("open", "pending", True)
        assert list(StaffTask.objects.values_list("kind", "subject")) == [("payment_mismatch", f"payment:{payment.pk}")]
        assert published() == []

    def test_raises_no_second_task_once_staff_dealt_with_the_first(self, world: StripeWorld) -> None:
        submitted = world.submitted()
        world.pay(submitted)
        Checkout.objects.filter(pk=submitted.pk).update(amount_minor=1)
        checkout.settle_checkout(checkout_id=submitted.pk, now=utc_now())
        StaffTask.objects.update(status="done")

        checkout.settle_checkout(checkout_id=submitted.pk, now=utc_now())

        assert list(StaffTask.objects.values_list("status", flat=True)) == ["done"]

    def test_records_money_that_came_after_we_believed_it_over(self, world: StripeWorld) -> None:
        submitted = world.submitted(subject="7")
        world.pay(submitted)
        Checkout.objects.filter(pk=submitted.pk).update(status="expired")

        settled = checkout.settle_checkout(checkout_id=submitted.pk, now=utc_now())

        assert settled.status == "paid"
        assert Payment.objects.get().status == "paid"
        assert published() == ["payment.succeeded"]

    def test_records_both_payments_of_a_subject_that_was_paid_twice(self, world: StripeWorld) -> None:
        first = world.submitted(subject="7")
        Checkout.objects.filter(pk=first.pk).update(status="expired")
        second = world.submitted(subject="7", price=first.price)
        for each in (first, second):
            world.pay(each)

        for each in (first, second):
            checkout.settle_checkout(checkout_id=each.pk, now=utc_now())

        assert [p.status for p in Payment.objects.filter(subject="7")] == ["paid", "paid"]
        assert published() == ["payment.succeeded", "payment.succeeded"]

    def test_while_stripe_is_down_says_so_and_changes_nothing(self, world: StripeWorld) -> None:
        submitted = world.submitted()
        world.pay(submitted)
        world.sandbox.faults(server_error=True)

        with pytest.raises(PaymentProviderDown):
            checkout.settle_checkout(checkout_id=submitted.pk, now=utc_now())

        assert Checkout.objects.get(pk=submitted.pk).status == "open"
        assert not Payment.objects.exists()


class TestABankDebit:
    def test_is_pending_until_the_bank_answers(self, world: StripeWorld) -> None:
        submitted = world.submitted()
        world.pay(submitted, card="async")

        settled = checkout.settle_checkout(checkout_id=submitted.pk, now=utc_now())
        checkout.settle_checkout(checkout_id=submitted.pk, now=utc_now())

        assert (settled.status, Payment.objects.get().status) == ("processing", "pending")
        assert published() == ["payment.pending"]

    @pytest.mark.parametrize(
        ("outcome", "checkout_status", "payment_status", "event"),
        [("succeeded", "paid", "paid", "payment.succeeded"), ("failed", "failed", "failed", "payment.failed")],
    )
    def test_ends_as_the_bank_says(
        self, world: StripeWorld, outcome: str, checkout_status: str, payment_status: str, event: str
    ) -> None:
        submitted = world.submitted()
        world.pay(submitted, card="async")
        checkout.settle_checkout(checkout_id=submitted.pk, now=utc_now())
        world.settle_debit(submitted, outcome=outcome)

        settled = checkout.settle_checkout(checkout_id=submitted.pk, now=utc_now())
        checkout.settle_checkout(checkout_id=submitted.pk, now=utc_now())

        assert (settled.status, Payment.objects.get().status) == (checkout_status, payment_status)
        assert published() == ["payment.pending", event]

    def test_is_known_as_failed_though_it_was_never_seen_pending(self, world: StripeWorld) -> None:
        submitted = world.submitted()
        world.pay(submitted, card="async")
        world.settle_debit(submitted, outcome="failed")

        assert checkout.settle_checkout(checkout_id=submitted.pk, now=utc_now()).status == "failed"
        assert published() == ["payment.failed"]


class TestCancellingACheckout:
    def test_ends_it_at_stripe(self, world: StripeWorld) -> None:
        submitted = world.submitted()

        cancelled = checkout.cancel_checkout(checkout_id=submitted.pk, now=utc_now())

        assert cancelled.status == "cancelled"
        assert world.sandbox.ledger()["sessions"][0]["status"] == "expired"
        assert published() == ["payment.checkout_cancelled"]

    def test_loses_against_a_payer_who_was_faster(self, world: StripeWorld) -> None:
        submitted = world.submitted()
        world.pay(submitted)

        assert checkout.cancel_checkout(checkout_id=submitted.pk, now=utc_now()).status == "paid"
        assert published() == ["payment.succeeded"]

    def test_of_an_intent_whose_answer_was_lost_leaves_no_session_open(self, world: StripeWorld) -> None:
        intent = CheckoutFactory()
        world.sandbox.faults(lost_answer={"value": "close", "times": 1})
        with pytest.raises(PaymentProviderDown):
            checkout.submit_checkout(checkout_id=intent.pk, now=utc_now())

        assert checkout.cancel_checkout(checkout_id=intent.pk, now=utc_now()).status == "cancelled"
        assert [s["status"] for s in world.sandbox.ledger()["sessions"]] == ["expired"]

    def test_of_an_intent_that_stripe_refuses_needs_no_session(self, world: StripeWorld) -> None:
        intent = CheckoutFactory(price=PriceFactory(stripe_price_id="price_gone"))

        assert checkout.cancel_checkout(checkout_id=intent.pk, now=utc_now()).status == "cancelled"

    def test_while_stripe_is_down_is_taken_up_by_the_sweep(self, world: StripeWorld) -> None:
        submitted = world.submitted()
        world.sandbox.faults(server_error=True)
        with pytest.raises(PaymentProviderDown):
            checkout.cancel_checkout(checkout_id=submitted.pk, now=utc_now())
        world.sandbox.clear_faults()

        checkout.check_due_checkouts(now=utc_now())

        assert Checkout.objects.get(pk=submitted.pk).status == "cancelled"

    def test_is_cancelled_whoever_hears_of_the_end_first(self, world: StripeWorld) -> None:
        submitted = world.submitted()
        checkout.request_cancellation(checkout_id=submitted.pk, now=utc_now())
        world.client.v1.checkout.sessions.expire(str(submitted.stripe_session_id))

        world.tell(world.event("checkout.session.expired"))

        assert Checkout.objects.get(pk=submitted.pk).status == "cancelled"


class TestTheSweep:
    def test_asks_only_about_what_is_due(self, world: StripeWorld) -> None:
        due, later = world.submitted(), world.submitted()
        for each in (due, later):
            world.pay(each)
        Checkout.objects.filter(pk=due.pk).update(next_check_at=utc_now() - MINUTE)

        assert checkout.check_due_checkouts(now=utc_now()) == 1
        assert [Checkout.objects.get(pk=each.pk).status for each in (due, later)] == ["paid", "open"]

    def test_learns_the_session_of_an_orphaned_intent(self, world: StripeWorld) -> None:
        intent = CheckoutFactory(next_check_at=utc_now() - MINUTE)

        checkout.check_due_checkouts(now=utc_now())

        adopted = Checkout.objects.get(pk=intent.pk)
        assert (adopted.status, adopted.stripe_session_id) == ("open", world.sandbox.ledger()["sessions"][0]["id"])

    def test_finds_the_money_of_a_session_we_never_heard_of(self, world: StripeWorld) -> None:
        intent = CheckoutFactory()
        world.sandbox.faults(lost_answer={"value": "close", "times": 1})
        with pytest.raises(PaymentProviderDown):
            checkout.submit_checkout(checkout_id=intent.pk, now=utc_now())
        (session,) = world.sandbox.ledger()["sessions"]
        world.sandbox.pay(f"{world.sandbox.url}/c/pay/{session['id']}")

        checkout.check_due_checkouts(now=intent.expires_at + HOUR)

        assert Checkout.objects.get(pk=intent.pk).status == "paid"

    def test_ends_an_intent_of_which_stripe_knows_nothing_when_its_time_is_over(self, world: StripeWorld) -> None:
        intent = CheckoutFactory()

        checkout.check_due_checkouts(now=intent.expires_at + HOUR)

        assert Checkout.objects.get(pk=intent.pk).status == "expired"
        assert world.sandbox.ledger()["sessions"] == []
        assert published() == ["payment.checkout_expired"]

    def test_never_frees_what_stripe_still_holds_open(self, world: StripeWorld) -> None:
        submitted = world.submitted()
        after_its_time = submitted.expires_at + HOUR

        checkout.check_due_checkouts(now=after_its_time)

        asked = Checkout.objects.get(pk=submitted.pk)
        assert asked.status == "open"
        assert asked.next_check_at > after_its_time

    def test_goes_on_when_one_of_them_makes_trouble(self, world: StripeWorld) -> None:
        refused = CheckoutFactory(price=PriceFactory(stripe_price_id="price_gone"))
        unexplained = world.submitted(purpose="nobody's")
        paid = world.submitted()
        for each in (unexplained, paid):
            world.pay(each)

        checkout.check_due_checkouts(now=utc_now() + HOUR)

        statuses = [Checkout.objects.get(pk=each.pk).status for each in (refused, unexplained, paid)]
        assert statuses == ["refused", "open", "paid"]

    def test_stops_while_stripe_is_down_and_loses_nothing(self, world: StripeWorld) -> None:
        checkouts = [world.submitted() for _ in range(3)]
        for each in checkouts:
            world.pay(each)
        world.sandbox.faults(server_error=True)
        assert checkout.check_due_checkouts(now=utc_now() + HOUR) == 0
        world.sandbox.clear_faults()

        checkout.check_due_checkouts(now=utc_now() + 2 * HOUR)

        assert [Checkout.objects.get(pk=each.pk).status for each in checkouts] == ["paid"] * 3

    def test_asks_ever_more_rarely_and_right_after_the_end(self, world: StripeWorld) -> None:
        submitted = world.submitted()
        start = submitted.created_at

        def next_check_after(age: dt.timedelta) -> dt.timedelta:
            checkout.settle_checkout(checkout_id=submitted.pk, now=start + age)
            return Checkout.objects.get(pk=submitted.pk).next_check_at - (start + age)

        assert next_check_after(dt.timedelta(0)) == 2 * MINUTE
        assert next_check_after(20 * MINUTE) == 20 * MINUTE
        assert next_check_after(100 * MINUTE) < 21 * MINUTE
        assert next_check_after(5 * HOUR) == HOUR
