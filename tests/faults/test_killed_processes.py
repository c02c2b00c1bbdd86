"""SIGKILL for a web process or a worker between any two steps, then what happens anyway: the request or the webhook is
repeated, and the sweeps run. Nothing may be lost or doubled, and Stripe's books must match ours.
"""

import contextlib
import datetime as dt
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from billing.checkout import cancel_checkout, check_due_checkouts, settle_checkout
from billing.inbox import handle_event, receive_event
from billing.models import Checkout, Payment, Refund, StripeEvent
from billing.refunds import request_refund, submit_due_refunds, submit_refund
from billing.states import RefundReason
from billing.tests.stripe_world import StripeWorld, signed
from core.clock import utc_now
from core.http.idempotency import AlreadyAnswered, Claim
from enrollments.lifecycle import reject_enrollment
from enrollments.models import DistrictSeatAllocation, EnrollmentDecision, SeatAssignment
from enrollments.states import ReviewMode
from enrollments.tests.factories import STAFF, InstanceFactory, route, seats
from events.gateways.log import LogStream
from events.gateways.port import RelayedEvent
from events.models import OutboxEvent
from events.relay import relay_due_events
from sandbox.testing import SandboxProcess
from tests.sweeps import sweep

from .failpoints import killed_at
from .points import KilledAtEachPoint

pytestmark = [pytest.mark.race, pytest.mark.fault, pytest.mark.django_db(transaction=True)]

TOMORROW = dt.timedelta(hours=25)


@dataclass
class Scenario:
    """Something that a process is doing when it is killed (`act`), and how it still ends well."""

    stripe: SandboxProcess
    folder: Path
    steps: ClassVar[list[str]]

    def prepare(self) -> None:
        raise NotImplementedError

    def act(self) -> None:
        raise NotImplementedError

    def recover(self) -> None:
        sweep()

    def check(self) -> None:
        raise NotImplementedError

    # --- Shared by several scenarios ---

    def ask_parent(self, **asked: Any) -> EnrollmentDecision:
        return route(self.instance.workspace, tenant_id=None, guardian_id="guardian_456", **asked).decision

    def pay(self) -> Checkout:
        """Let a parent be asked and pay; we have not heard about it."""
        self.instance = InstanceFactory(review_mode=ReviewMode.MANUAL)
        self.ask_parent()
        checkout = Checkout.objects.get()
        self.stripe.pay(checkout.url)
        return checkout

    def net(self) -> int:
        """Return what Stripe has kept of the payers' money."""
        return int(self.stripe.ledger()["totals"].get("usd", {"net": 0})["net"])


class RoutingToASeat(Scenario):
    steps = ["commit"]

    def prepare(self) -> None:
        self.instance = InstanceFactory()
        seats(self.instance.workspace, total=3)

    def act(self) -> None:
        route(self.instance.workspace, claim=one_key())

    def recover(self) -> None:
        repeat(lambda now: route(self.instance.workspace, claim=one_key(), now=now))

    def check(self) -> None:
        assert DistrictSeatAllocation.objects.get().used_seats == SeatAssignment.objects.count() == 1
        assert EnrollmentDecision.objects.get().status == "completed"


class RoutingToACheckout(Scenario):
    steps = ["commit", "POST /v1/checkout/sessions", "update billing_checkout", "commit"]

    def prepare(self) -> None:
        self.instance = InstanceFactory()

    def act(self) -> None:
        self.ask_parent(claim=one_key())

    def recover(self) -> None:
        repeat(lambda now: self.ask_parent(claim=one_key(), now=now))

    def check(self) -> None:
        (session,) = self.stripe.ledger()["sessions"]
        decision = EnrollmentDecision.objects.select_related("checkout").get()
        assert decision.status == "checkout_required"
        assert decision.checkout is not None
        assert decision.checkout.stripe_session_id == session["id"]
        assert self.stripe.pay(decision.checkout.url).status_code == 303


class RoutingThatIsNeverAskedAgain(RoutingToACheckout):
    """The integrator gives up; the sweeps end what was begun."""

    def recover(self) -> None:
        sweep()
        self.stripe.advance_clock(seconds=24 * 3600)
        sweep(TOMORROW)

    def check(self) -> None:
        assert {session["status"] for session in self.stripe.ledger()["sessions"]} <= {"expired"}
        assert set(EnrollmentDecision.objects.values_list("status", flat=True)) <= {"expired"}
        assert set(Checkout.objects.values_list("status", flat=True)) <= {"expired"}


class PaidScenario(Scenario):
    """Ends with the money taken once and the enrollment waiting for review."""

    def check(self) -> None:
        decision = EnrollmentDecision.objects.select_related("enrollment", "checkout").get()
        assert decision.checkout is not None
        assert (decision.status, decision.checkout.status) == ("completed", "paid")
        assert (decision.enrollment.eligibility_status, decision.enrollment.payment_status) == ("submitted", "paid")
        assert Payment.objects.get().amount_minor == self.net() == 4900
        assert OutboxEvent.objects.filter(type="payment.succeeded").count() == 1
        assert not StripeEvent.objects.filter(handled_at=None).exists()


class ReceivingAWebhook(PaidScenario):
    steps = ["commit", "ring billing.tasks.handle_stripe_event"]

    def prepare(self) -> None:
        self.pay()
        event = StripeWorld(self.stripe).event("checkout.session.completed")
        self.raw = json.dumps(event).encode()

    def act(self) -> None:
        receive_event(raw=self.raw, signature_header=signed(self.raw), now=utc_now())

    def recover(self) -> None:
        if not StripeEvent.objects.exists():  # Stripe got no 200, so it sends the event again
            self.act()
        sweep()


class HandlingAWebhook(ReceivingAWebhook):
    steps = ["GET /v1/checkout/sessions/…", "commit"]

    def prepare(self) -> None:
        super().prepare()
        self.receive("checkout.session.completed")

    def receive(self, told: str) -> None:
        self.raw = json.dumps(StripeWorld(self.stripe).event(told)).encode()
        self.event_id = receive_event(raw=self.raw, signature_header=signed(self.raw), now=utc_now()).event_id

    def act(self) -> None:
        handle_event(event_id=self.event_id, now=utc_now())


class SweepingCheckouts(PaidScenario):
    steps = ["update billing_checkout", "GET /v1/checkout/sessions/…", "commit"]

    def prepare(self) -> None:
        self.pay()

    def act(self) -> None:
        check_due_checkouts(now=utc_now() + dt.timedelta(minutes=5))


class CancellingACheckout(Scenario):
    steps = [
        "update billing_checkout",
        "GET /v1/checkout/sessions/…",
        "POST /v1/checkout/sessions/…/expire",
        "commit",
    ]

    def prepare(self) -> None:
        self.instance = InstanceFactory()
        self.checkout_id = self.ask_parent().checkout_id

    def act(self) -> None:
        assert self.checkout_id is not None
        cancel_checkout(checkout_id=self.checkout_id, now=utc_now())

    def recover(self) -> None:
        if Checkout.objects.get().cancel_requested_at is None:  # the person who wanted it saw it fail, and asks again
            self.act()
        sweep()

    def check(self) -> None:
        assert EnrollmentDecision.objects.get().status == Checkout.objects.get().status == "cancelled"
        assert [session["status"] for session in self.stripe.ledger()["sessions"]] == ["expired"]


class RefundScenario(Scenario):
    """Ends with all of the money refunded, once."""

    def prepare(self) -> None:
        settle_checkout(checkout_id=self.pay().pk, now=utc_now())

    def request(self) -> Refund:
        return request_refund(
            payment_id=Payment.objects.get().pk,
            amount_minor=None,
            reason=RefundReason.REQUESTED,
            actor=STAFF,
            now=utc_now(),
        )

    def check(self) -> None:
        decision = EnrollmentDecision.objects.select_related("enrollment").get()
        assert [refund["amount"] for refund in self.stripe.ledger()["refunds"]] == [4900]
        assert self.net() == 0
        assert (Refund.objects.get().status, Payment.objects.get().status) == ("succeeded", "refunded")
        assert decision.status == "released"
        assert (decision.enrollment.eligibility_status, decision.enrollment.payment_status) == ("rejected", "refunded")
        assert OutboxEvent.objects.filter(type="payment.refunded").count() == 1


class RejectingAPaidEnrollment(RefundScenario):
    steps = ["commit", "ring billing.tasks.submit_refund", "ring notifications.tasks.send_due_notifications"]

    def act(self) -> None:
        enrollment_id = EnrollmentDecision.objects.get().enrollment_id
        reject_enrollment(enrollment_id=enrollment_id, actor=STAFF, reason="Too young", now=utc_now())

    def recover(self) -> None:
        if not Refund.objects.exists():  # the reviewer saw it fail, and decides again
            self.act()
        sweep()


class SubmittingARefund(RefundScenario):
    steps = ["POST /v1/refunds", "commit", "ring notifications.tasks.send_due_notifications"]

    def prepare(self) -> None:
        super().prepare()
        self.refund = self.request()

    def act(self) -> None:
        submit_refund(refund_id=self.refund.pk, now=utc_now())


class SweepingRefunds(SubmittingARefund):
    steps = ["update billing_refund", "POST /v1/refunds", "commit", "ring notifications.tasks.send_due_notifications"]

    def act(self) -> None:
        submit_due_refunds(now=utc_now() + dt.timedelta(minutes=3))


class Relaying(Scenario):
    """The stream is a file here, which survives the relay."""

    steps = ["commit", "hand on", "commit"]

    def prepare(self) -> None:
        self.instance = InstanceFactory()
        seats(self.instance.workspace, total=3)
        route(self.instance.workspace)

    def act(self) -> None:
        relay_due_events(now=utc_now())

    def check(self) -> None:
        lines = [json.loads(line) for line in (self.folder / "stream").read_text().splitlines()]
        once = {line["id"]: (line["aggregate"], line["sequence"]) for line in lines}
        written = OutboxEvent.objects.order_by("id").values_list("cuid", "aggregate", "sequence")
        assert [(cuid, *once[cuid]) for cuid in once] == list(written)
        assert not OutboxEvent.objects.exclude(relay_status="relayed").exists()


SCENARIOS: list[type[Scenario]] = [
    RoutingToASeat,
    RoutingToACheckout,
    RoutingThatIsNeverAskedAgain,
    ReceivingAWebhook,
    HandlingAWebhook,
    SweepingCheckouts,
    CancellingACheckout,
    RejectingAPaidEnrollment,
    SubmittingARefund,
    SweepingRefunds,
    Relaying,
]


@pytest.fixture
def begin(
    stripe: SandboxProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[type[Scenario]], Scenario]:
    """Bring a scenario to where its process starts to act."""

    def append(self: LogStream, events: list[RelayedEvent]) -> list[str]:
        with (tmp_path / "stream").open("a") as stream:
            for event in events:
                line = {"id": event.id, "aggregate": event.aggregate, "sequence": event.sequence}
                stream.write(json.dumps(line) + "\n")
        return [""] * len(events)

    monkeypatch.setattr(LogStream, "append", append)

    def prepared(scenario: type[Scenario]) -> Scenario:
        stripe.reset()
        (tmp_path / "stream").unlink(missing_ok=True)
        begun = scenario(stripe, tmp_path)
        begun.prepare()
        return begun

    return prepared


class TestAProcessThatIsKilled(KilledAtEachPoint):
    scenarios = SCENARIOS


class TestAWorldWhereNothingIsRepeated:
    """Controls: without the second request and without sweeps, the kill does leave something behind."""

    def test_a_checkout_killed_after_its_first_commit_has_no_session(
        self, begin: Callable[[type[Scenario]], Scenario]
    ) -> None:
        begun = begin(RoutingToACheckout)

        killed_at(begun.act, number=0, after=True)

        assert Checkout.objects.get().stripe_session_id is None
        assert begun.stripe.ledger()["sessions"] == []

    def test_a_refund_without_its_idempotency_key_is_made_twice(
        self, begin: Callable[[type[Scenario]], Scenario], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        begun = begin(SubmittingARefund)
        Refund.objects.update(amount_minor=1000)
        killed_at(begun.act, number=0, after=True)

        monkeypatch.setattr(Refund, "reference", property(lambda refund: f"other-{refund.pk}"))
        begun.recover()

        assert [refund["amount"] for refund in begun.stripe.ledger()["refunds"]] == [1000, 1000]


def one_key() -> Claim:
    return Claim(scope="key:1", key="one-key", fingerprint="same")


def repeat(request: Callable[[dt.datetime], Any]) -> None:
    """Make the same request again, once the key is no longer in flight."""
    with contextlib.suppress(AlreadyAnswered):
        request(utc_now() + dt.timedelta(minutes=2))
