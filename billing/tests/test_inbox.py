import base64
import itertools
import json
import time
from typing import Any

import pytest

from accounts.models import StaffTask
from billing import inbox
from billing.models import Checkout, Payment, StripeEvent
from core.clock import utc_now

from .factories import CheckoutFactory
from .stripe_world import StripeWorld, post_signed, published, signed

pytestmark = pytest.mark.django_db

EVENT = {
    "id": "evt_1",
    "object": "event",
    "type": "payout.paid",
    "created": 1_700_000_000,
    "data": {"object": {"id": "po_1", "object": "payout", "description": "for Jane Doe"}},
}
RAW = json.dumps(EVENT).encode()


class TestTheWebhook:
    def test_stores_an_event_and_says_so(self) -> None:
        answer = post_signed(RAW)

        event = StripeEvent.objects.get()
        assert (answer.status_code, answer.json()) == (200, {"received": True})
        assert (event.event_id, event.type, event.source) == ("evt_1", "payout.paid", "webhook")

    def test_answers_with_and_without_a_trailing_slash(self, client: Any) -> None:
        headers = {"Stripe-Signature": signed(RAW)}

        answer = client.post("/api/webhooks/stripe/", RAW, content_type="application/json", headers=headers)

        assert answer.status_code == 200

    def test_keeps_what_the_event_is_about_and_nothing_that_may_name_people(self) -> None:
        post_signed(RAW)

        assert StripeEvent.objects.get().payload == {"object": "payout", "id": "po_1"}

    def test_stores_a_type_that_changes_nothing_as_handled(self) -> None:
        post_signed(RAW)

        event = StripeEvent.objects.get()
        assert (event.handled_at is not None, event.outcome) == (True, "ignored")

    def test_stores_a_repeated_event_once(self) -> None:
        answers = [post_signed(RAW).status_code for _ in range(3)]

        assert answers == [200, 200, 200]
        assert StripeEvent.objects.count() == 1

    @pytest.mark.parametrize(
        "signature",
        [
            "",
            "nonsense",
            "t=1",
            "v1=abc",
            "t=,v1=",
            "t=abc,v1=abc",
            f"t={int(time.time())},v1={'0' * 64}",
            f"t={int(time.time())};v1={'0' * 64}",
            f"t={int(time.time())},v1={base64.b64encode(b'abc').decode()}",
            f"t={int(time.time())},v1=\u00e9",
            f"t={int(time.time())},v1==,=,",
            "t=" + "9" * 5000 + ",v1=00",
        ],
        ids=[
            "none",
            "nonsense",
            "no signature",
            "no time",
            "both empty",
            "time is text",
            "wrong",
            "missing comma",
            "base64",
            "not ASCII",
            "stray signs",
            "huge time",
        ],
    )
    def test_refuses_a_signature_that_does_not_hold(self, signature: str) -> None:
        assert_refused(post_signed(RAW, signature=signature))

    def test_refuses_the_signature_of_another_secret(self) -> None:
        assert_refused(post_signed(RAW, signature=signed(RAW, secret="whsec_other")))

    def test_refuses_the_signature_of_another_body(self) -> None:
        assert_refused(post_signed(RAW, signature=signed(RAW + b" ")))

    @pytest.mark.parametrize("seconds", [-310, 310, -86_400, 10**15], ids=["stale", "future", "a day old", "never"])
    def test_refuses_a_time_too_far_from_now(self, seconds: int) -> None:
        assert_refused(post_signed(RAW, signature=signed(RAW, at=int(time.time()) + seconds)))

    @pytest.mark.parametrize("seconds", [-280, 280])
    def test_accepts_a_clock_that_is_a_little_off(self, seconds: int) -> None:
        assert post_signed(RAW, signature=signed(RAW, at=int(time.time()) + seconds)).status_code == 200

    @pytest.mark.parametrize(
        "raw",
        [
            b"",
            b"null",
            b"[]",
            b'"text"',
            b"{",
            b"{}",
            b"[" * 100_000,
            json.dumps(EVENT | {"id": ""}).encode(),
            json.dumps(EVENT | {"id": "evt_\u0000"}).encode(),
            json.dumps(EVENT | {"id": "x" * 300}).encode(),
            json.dumps(EVENT | {"id": 5}).encode(),
            json.dumps(EVENT | {"type": None}).encode(),
            json.dumps(EVENT | {"created": "soon"}).encode(),
            json.dumps(EVENT | {"created": 10**30}).encode(),
            json.dumps(EVENT | {"data": []}).encode(),
            json.dumps(EVENT | {"data": {"object": "po_1"}}).encode(),
            json.dumps(EVENT | {"data": {"object": {"id": "po_\ud800"}}}).encode(),
        ],
    )
    def test_refuses_a_signed_body_that_is_no_event(self, raw: bytes) -> None:
        assert_refused(post_signed(raw))

    def test_refuses_bytes_that_are_not_utf8(self) -> None:
        assert_refused(post_signed(b"\xff\xfe", signature=signed(RAW)))

    def test_refuses_a_body_beyond_a_megabyte(self) -> None:
        raw = json.dumps(EVENT | {"padding": "x" * 1_000_001}).encode()

        answer = post_signed(raw)

        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
        assert not StripeEvent.objects.exists()

    def test_takes_no_other_method(self, client: Any) -> None:
        assert client.get("/api/webhooks/stripe").status_code == 405


class TestAnEvent:
    def test_of_a_session_that_is_not_ours_is_stored_and_done_with(self, world: StripeWorld) -> None:
        foreign = world.client.v1.checkout.sessions.create(
            {
                "mode": "payment",
                "success_url": "https://other.test/",
                "line_items": [
                    {
                        "price_data": {"currency": "usd", "unit_amount": 900, "product_data": {"name": "Mug"}},
                        "quantity": 1,
                    }
                ],
            }
        )
        world.sandbox.pay(str(foreign.url))

        world.tell(*world.events("checkout.session.completed", "charge.refunded"))

        assert [(e.outcome, e.attempts) for e in StripeEvent.objects.all()] == [("not ours", 0)]
        assert not Payment.objects.exists()

    @pytest.mark.sqlite
    def test_of_another_installation_that_counts_alike_is_not_ours(self, world: StripeWorld) -> None:
        theirs = world.submitted()
        world.pay(theirs)
        Checkout.objects.all().delete()
        CheckoutFactory(pk=theirs.pk, created_at=theirs.created_at.replace(year=2020))

        world.tell(world.event("checkout.session.completed"))

        assert StripeEvent.objects.get().outcome == "not ours"
        assert Checkout.objects.get().stripe_session_id is None

    @pytest.mark.parametrize("type", inbox.HANDLED_TYPES)
    def test_that_stripe_knows_nothing_of_is_done_with(self, world: StripeWorld, type: str) -> None:
        world.tell(EVENT | {"type": type, "data": {"object": {"id": "xx_gone", "payment_intent": "pi_gone"}}})

        event = StripeEvent.objects.get()
        assert (event.outcome, event.attempts, event.handled_at is not None) == ("not ours", 0, True)
        assert not StaffTask.objects.exists()

    @pytest.mark.parametrize("type", inbox.HANDLED_TYPES)
    @pytest.mark.parametrize("about", [{"object": "thing"}, {"id": None}, {"id": 5}])
    def test_that_names_nothing_is_done_with(self, world: StripeWorld, type: str, about: dict[str, Any]) -> None:
        world.tell(EVENT | {"type": type, "data": {"object": about}})

        event = StripeEvent.objects.get()
        assert (event.outcome.endswith("not ours"), event.attempts, event.handled_at is not None) == (True, 0, True)

    def test_about_our_money_that_stripe_knows_nothing_of_becomes_a_task_for_staff(self, world: StripeWorld) -> None:
        payment = world.paid()
        about = {"id": "du_gone", "object": "dispute", "payment_intent": payment.payment_intent_id}

        world.tell(EVENT | {"type": "charge.dispute.created", "data": {"object": about}})

        assert StripeEvent.objects.get().outcome == "not ours"
        assert list(StaffTask.objects.values_list("kind", "subject", "workspace_id")) == [
            ("stripe_event_unknown", f"payment:{payment.pk}", payment.workspace_id)
        ]
        assert Payment.objects.get().status == "paid"

    def test_about_a_session_of_ours_that_stripe_knows_nothing_of_becomes_a_task_too(self, world: StripeWorld) -> None:
        checkout = CheckoutFactory(stripe_session_id="cs_gone")
        about = {"id": "cs_gone", "object": "checkout.session"}

        world.tell(EVENT | {"type": "checkout.session.completed", "data": {"object": about}})

        assert StripeEvent.objects.get().outcome == "not ours"
        assert list(StaffTask.objects.values_list("kind", "subject")) == [
            ("stripe_event_unknown", f"checkout:{checkout.pk}")
        ]

    def test_names_its_outcome(self, world: StripeWorld) -> None:
        submitted = world.submitted()
        world.pay(submitted)

        world.tell(world.event("checkout.session.completed"))

        assert StripeEvent.objects.get().outcome == f"checkout {submitted.pk} is paid"

    def test_finds_the_checkout_whose_session_we_never_heard_of(self, world: StripeWorld) -> None:
        submitted = world.submitted()
        world.pay(submitted)
        Checkout.objects.filter(pk=submitted.pk).update(stripe_session_id=None, url="")

        world.tell(world.event("checkout.session.completed"))

        found = Checkout.objects.get()
        assert (found.status, found.stripe_session_id) == ("paid", submitted.stripe_session_id)

    def test_is_not_believed_about_money(self, world: StripeWorld) -> None:
        submitted = world.submitted()
        claimed = {"object": "checkout.session", "id": submitted.stripe_session_id, "payment_status": "paid"}

        world.tell(EVENT | {"type": "checkout.session.completed", "data": {"object": claimed}})

        assert Checkout.objects.get().status == "open"
        assert not Payment.objects.exists()

    def test_handled_twice_has_one_effect(self, world: StripeWorld) -> None:
        world.pay(world.submitted())
        event = world.event("checkout.session.completed")

        world.tell(event, event)

        assert published() == ["payment.succeeded"]

    def test_that_fails_shows_its_error_and_is_tried_again(self, world: StripeWorld) -> None:
        submitted = world.submitted()
        world.pay(submitted)
        event = world.event("checkout.session.completed")
        world.sandbox.faults(server_error=True)
        world.tell(event)
        failed = StripeEvent.objects.get()
        world.sandbox.clear_faults()

        handled = inbox.handle_due_events(now=failed.next_attempt_at)

        assert (failed.handled_at, failed.attempts) == (None, 1)
        assert failed.last_error.startswith("PaymentProviderDown: ")
        assert handled == 1
        assert Checkout.objects.get().status == "paid"
        assert StripeEvent.objects.get().last_error == ""

    def test_whose_reaction_breaks_leaves_nothing_half_done(
        self, world: StripeWorld, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(**_: Any) -> None:
            raise RuntimeError("a bug above")

        world.pay(world.submitted())
        with monkeypatch.context() as patch:
            patch.setattr("billing.payments.publish", lambda *_, **__: broken())
            world.tell(world.event("checkout.session.completed"))

        assert Checkout.objects.get().status == "open"
        assert not Payment.objects.exists()
        assert StripeEvent.objects.get().last_error == "RuntimeError: a bug above"

    def test_that_fails_twelve_times_becomes_a_task_for_staff(self, world: StripeWorld) -> None:
        submitted = world.submitted()
        world.pay(submitted)
        event = world.event("checkout.session.completed")
        world.sandbox.faults(server_error=True)
        world.post(event)

        for _ in range(12):
            inbox.handle_event(event_id=event["id"], now=utc_now())

        stuck = StripeEvent.objects.get()
        assert stuck.attempts == 12
        assert list(StaffTask.objects.values_list("kind", "subject", "workspace_id")) == [
            ("stripe_event_stuck", f"stripe-event:{stuck.pk}", submitted.workspace_id)
        ]

    def test_that_another_worker_handles_meanwhile_is_no_task(
        self, world: StripeWorld, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def be_overtaken(**_: Any) -> None:
            StripeEvent.objects.update(handled_at=utc_now())
            raise RuntimeError("too late")

        world.pay(world.submitted())
        event = world.event("checkout.session.completed")
        world.sandbox.faults(server_error=True)
        world.post(event)
        world.sandbox.clear_faults()
        StripeEvent.objects.update(attempts=inbox.RETRY.attempts - 1)
        monkeypatch.setattr(inbox, "record_effect", be_overtaken)

        handled = inbox.handle_event(event_id=event["id"], now=utc_now())

        assert handled is not None
        assert handled.attempts == inbox.RETRY.attempts - 1
        assert not StaffTask.objects.exists()

    def test_that_nobody_was_nudged_about_is_found_by_the_sweep(self, world: StripeWorld) -> None:
        world.pay(world.submitted())
        world.post(world.event("checkout.session.completed"))

        handled_at_once = inbox.handle_due_events(now=utc_now())
        handled_later = inbox.handle_due_events(now=utc_now() + inbox.NUDGE_GRACE)

        assert (handled_at_once, handled_later) == (0, 1)
        assert Checkout.objects.get().status == "paid"


ORDERED = (
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "charge.refunded",
    "refund.created",
)


# Forward and backward: any two of them come in both orders.
BOTH_WAYS = (ORDERED, ORDERED[::-1])


class TestEveryOrderOfEvents:
    @pytest.mark.parametrize(
        "order",
        [
            pytest.param(
                order,
                marks=() if order in BOTH_WAYS else pytest.mark.walk,
                id=" ".join(type[-9:] for type in order),
            )
            for order in itertools.permutations(ORDERED)
        ],
    )
    def test_of_a_debit_that_was_paid_and_refunded_ends_alike(self, world: StripeWorld, order: tuple[str, ...]) -> None:
        submitted = world.submitted()
        world.pay(submitted, card="async")
        world.settle_debit(submitted, outcome="succeeded")
        (paid,) = world.sandbox.ledger()["payments"]
        world.client.v1.refunds.create({"payment_intent": paid["id"]})

        world.tell(*(world.event(type) for type in order))

        payment = Payment.objects.get()
        assert (Checkout.objects.get().status, payment.status, payment.refunded_minor) == ("paid", "refunded", 4900)
        assert [refund.reason for refund in payment.refunds.all()] == ["outside"]
        assert published() == ["payment.succeeded", "payment.refunded"]

    @pytest.mark.parametrize(
        "order", list(itertools.permutations(["checkout.session.completed", "checkout.session.async_payment_failed"]))
    )
    def test_of_a_debit_that_failed_ends_alike(self, world: StripeWorld, order: tuple[str, ...]) -> None:
        submitted = world.submitted()
        world.pay(submitted, card="async")
        world.settle_debit(submitted, outcome="failed")

        world.tell(*(world.event(type) for type in order))

        assert (Checkout.objects.get().status, Payment.objects.get().status) == ("failed", "failed")
        assert published() == ["payment.failed"]

    @pytest.mark.parametrize("late", range(3))
    def test_told_while_it_happens_ends_alike_whichever_is_late(self, world: StripeWorld, late: int) -> None:
        """Each event comes before the next thing happens, but one that comes at the very end."""
        submitted = world.submitted()
        steps = [
            (lambda: world.pay(submitted, card="async"), ORDERED[0]),
            (lambda: world.settle_debit(submitted, outcome="succeeded"), ORDERED[1]),
            (lambda: world.client.v1.refunds.create({"payment_intent": intent()}), ORDERED[2]),
        ]

        def intent() -> str:
            return str(world.sandbox.ledger()["payments"][0]["id"])

        for number, (happen, told) in enumerate(steps):
            happen()
            if number != late:
                world.tell(world.event(told))
        world.tell(world.event(steps[late][1]))

        payment = Payment.objects.get()
        assert (Checkout.objects.get().status, payment.status, payment.refunded_minor) == ("paid", "refunded", 4900)
        assert published()[-2:] == ["payment.succeeded", "payment.refunded"]


def assert_refused(answer: Any) -> None:
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "bad_signature"
    assert not StripeEvent.objects.exists()
