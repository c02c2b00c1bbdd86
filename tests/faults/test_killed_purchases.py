"""SIGKILL between any two steps of buying a place, of its fulfilment, and of its refund; then the repeated request, the
redelivered webhook, and the sweeps. test_killed_processes.py explains how.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps

from accounts.tests.factories import LearnerFactory
from billing.checkout import settle_checkout
from billing.inbox import handle_event
from billing.models import Checkout, Payment, Refund
from billing.refunds import request_refund, submit_refund
from billing.states import RefundReason
from billing.tests.stripe_world import StripeWorld, post_signed
from cohorts.models import ClassSession, Cohort, CohortPlace, StepProgress, StudentPackage
from cohorts.tests.factories import buy, cohort_with, start
from core.clock import utc_now
from enrollments.tests.factories import STAFF
from events.models import OutboxEvent
from notifications.models import Notification
from operations.doctor import examine
from sandbox.testing import SandboxProcess
from tests.sweeps import SOON, sweep

from .failpoints import killed_at, killed_at_each_write
from .points import KilledAtEachPoint
from .test_killed_processes import TOMORROW, Scenario

pytestmark = [pytest.mark.race, pytest.mark.fault, pytest.mark.django_db(transaction=True)]


class StartingACheckout(Scenario):
    steps = ["commit", "POST /v1/checkout/sessions", "update billing_checkout"]

    def prepare(self) -> None:
        self.cohort = cohort_with(options=(1, 2), max_enrollment=1)
        self.learner = LearnerFactory(workspace=self.cohort.instance.workspace)

    def act(self) -> None:
        start(self.cohort, self.learner)

    def recover(self) -> None:
        self.act()

    def check(self) -> None:
        (session,) = self.stripe.ledger()["sessions"]
        checkout = Checkout.objects.get()
        assert checkout.stripe_session_id == session["id"]
        assert self.places() == (0, 1)
        assert self.stripe.pay(checkout.url).status_code == 303

    def places(self) -> tuple[int, int]:
        return Cohort.objects.values_list("current_enrollment", "held_places").get()


class StartingACheckoutOnceOnly(StartingACheckout):
    """The student gives up; the sweeps free the place."""

    def recover(self) -> None:
        sweep()
        self.stripe.advance_clock(seconds=24 * 3600)
        sweep(TOMORROW)

    def check(self) -> None:
        assert {session["status"] for session in self.stripe.ledger()["sessions"]} <= {"expired"}
        assert set(CohortPlace.objects.values_list("status", flat=True)) <= {"released"}
        assert self.places() == (0, 0)


class Fulfilling(StartingACheckout):
    steps = ["GET /v1/checkout/sessions/…", "commit", "ring notifications.tasks.send_due_notifications"]

    def prepare(self) -> None:
        super().prepare()
        self.checkout = start(self.cohort, self.learner)
        self.stripe.pay(self.checkout.url)

    def act(self) -> None:
        settle_checkout(checkout_id=self.checkout.pk, now=utc_now())

    def recover(self) -> None:
        sweep()

    def check(self) -> None:
        package = StudentPackage.objects.get()
        assert package.payment == Payment.objects.get()
        assert self.places() == (1, 0)
        assert list(package.progress.order_by("step__order").values_list("status", flat=True)) == ["BOOKED", "UNBOOKED"]
        assert sum(ClassSession.objects.values_list("booked_count", flat=True)) == 1
        assert OutboxEvent.objects.filter(type="package.created").count() == 1
        assert Notification.objects.filter(kind="course_enrolled").count() == 1
        assert self.net() == 4900


class Refunding(StartingACheckout):
    steps = ["POST /v1/refunds", "commit", "ring notifications.tasks.send_due_notifications"]

    def prepare(self) -> None:
        super().prepare()
        package = buy(self.stripe, self.cohort, self.learner)
        assert package.payment_id is not None
        self.refund = request_refund(
            payment_id=package.payment_id, amount_minor=None, reason=RefundReason.REQUESTED, actor=STAFF, now=utc_now()
        )

    def act(self) -> None:
        submit_refund(refund_id=self.refund.pk, now=utc_now())

    def recover(self) -> None:
        sweep()

    def check(self) -> None:
        assert Refund.objects.get().status == "succeeded"
        assert StudentPackage.objects.get().revoked_at is not None
        assert set(StepProgress.objects.values_list("status", flat=True)) == {"CANCELLED"}
        assert self.places() == (0, 0)
        assert sum(ClassSession.objects.values_list("booked_count", flat=True)) == 0
        assert OutboxEvent.objects.filter(type="package.revoked").count() == 1
        assert self.net() == 0


class HearingOfAPayment(Fulfilling):
    """The web process that receives the webhook, then the worker that handles it."""

    steps = [
        "commit",
        "ring billing.tasks.handle_stripe_event",
        "GET /v1/checkout/sessions/…",
        "commit",
        "ring notifications.tasks.send_due_notifications",
    ]
    told = "checkout.session.completed"

    def prepare(self) -> None:
        super().prepare()
        self.event = StripeWorld(self.stripe).event(self.told)

    def act(self) -> None:
        assert post_signed(json.dumps(self.event).encode()).status_code == 200
        handle_event(event_id=self.event["id"], now=utc_now())

    def recover(self) -> None:
        self.act()  # Stripe got no 200, or sends it twice anyway
        sweep()


class HearingOfARefund(HearingOfAPayment):
    """The same for a refund made in Stripe's dashboard."""

    steps = [
        "commit",
        "ring billing.tasks.handle_stripe_event",
        "GET /v1/refunds",
        "commit",
        "ring notifications.tasks.send_due_notifications",
    ]
    told = "charge.refunded"

    def prepare(self) -> None:
        StartingACheckout.prepare(self)
        package = buy(self.stripe, self.cohort, self.learner)
        assert package.payment is not None
        world = StripeWorld(self.stripe)
        world.client.v1.refunds.create({"payment_intent": str(package.payment.payment_intent_id)})
        self.event = world.event(self.told)

    def check(self) -> None:
        Refunding.check(self)  # type: ignore[arg-type]


SCENARIOS: list[type[Scenario]] = [
    StartingACheckout,
    StartingACheckoutOnceOnly,
    Fulfilling,
    HearingOfAPayment,
    Refunding,
    HearingOfARefund,
]


@pytest.fixture
def begin(stripe: SandboxProcess, tmp_path: Path) -> Callable[[type[Scenario]], Scenario]:
    def prepared(scenario: type[Scenario]) -> Scenario:
        stripe.reset()
        begun = scenario(stripe, tmp_path)
        begun.prepare()
        return begun

    return prepared


class TestAProcessKilledWhileSelling(KilledAtEachPoint):
    scenarios = SCENARIOS

    @pytest.mark.parametrize("scenario", [Fulfilling, Refunding])
    def test_at_any_write_leaves_nothing_half_done(
        self, begin: Callable[[type[Scenario]], Scenario], scenario: type[Scenario]
    ) -> None:
        begun = begin(scenario)
        before = every_row()

        kills = 0
        for number in killed_at_each_write(begun.act):
            kills += 1
            assert every_row() == before, f"killed at write {number}"

        assert kills > 10
        assert every_row() != before
        begun.recover()
        assert examine(now=utc_now() + SOON) == {}
        begun.check()


class TestWithoutRedeliveryAndSweeps:
    """Control: the kill does leave something behind."""

    @pytest.mark.parametrize(("scenario", "number"), [(Fulfilling, 1), (HearingOfAPayment, 0), (HearingOfAPayment, 3)])
    def test_a_payment_stays_without_its_package(
        self, begin: Callable[[type[Scenario]], Scenario], scenario: type[Scenario], number: int
    ) -> None:
        begun = begin(scenario)

        killed_at(begun.act, number=number, after=False)

        assert begun.net() == 4900
        assert StudentPackage.objects.count() == 0

    def test_a_refund_is_in_stripe_s_books_only(self, begin: Callable[[type[Scenario]], Scenario]) -> None:
        begun = begin(Refunding)

        killed_at(begun.act, number=0, after=True)

        assert begun.net() == 0
        assert StudentPackage.objects.get().revoked_at is None


def every_row() -> dict[str, list[Any]]:
    """Return the whole database, by table."""
    return {model._meta.db_table: list(model._base_manager.order_by("pk").values_list()) for model in apps.get_models()}
