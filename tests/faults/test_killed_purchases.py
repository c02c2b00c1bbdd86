"""SIGKILL between any two steps of buying a place, of its fulfilment and of its refund; then the repeated request, the
redelivered webhook and the sweeps. See test_killed_processes.py for how."""

from collections.abc import Callable
from pathlib import Path

import pytest

from accounts.tests.factories import LearnerFactory
from billing.checkout import settle_checkout
from billing.models import Checkout, Payment, Refund
from billing.refunds import request_refund, submit_refund
from billing.states import RefundReason
from cohorts.models import ClassSession, Cohort, CohortPlace, StepProgress, StudentPackage
from cohorts.tests.factories import buy, cohort_with, start
from enrollment_project.core.clock import utc_now
from enrollment_project.doctor import examine
from enrollments.tests.factories import STAFF
from events.models import OutboxEvent
from notifications.models import Notification
from sandbox.testing import SandboxProcess
from tests.sweeps import SOON, sweep

from .failpoints import killed_at, steps_of
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
    steps = ["GET /v1/checkout/sessions/…", "commit", "ring notifications.tasks.send_notification"]

    def prepare(self) -> None:
        super().prepare()
        self.checkout = start(self.cohort, self.learner)
        self.stripe.pay(self.checkout.url)

    def act(self) -> None:
        settle_checkout(checkout_id=self.checkout.pk)

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
    steps = ["POST /v1/refunds", "commit", "ring notifications.tasks.send_notification"]

    def prepare(self) -> None:
        super().prepare()
        package = buy(self.stripe, self.cohort, self.learner)
        assert package.payment_id is not None
        self.refund = request_refund(
            payment_id=package.payment_id, amount_minor=None, reason=RefundReason.REQUESTED, actor=STAFF
        )

    def act(self) -> None:
        submit_refund(refund_id=self.refund.pk)

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


SCENARIOS: list[type[Scenario]] = [StartingACheckout, StartingACheckoutOnceOnly, Fulfilling, Refunding]
POINTS = [
    pytest.param(scenario, number, after, id=f"{scenario.__name__}-{'after' if after else 'before'}-{number}-{step}")
    for scenario in SCENARIOS
    for number, step in enumerate(scenario.steps)
    for after in (False, True)
]


@pytest.fixture
def begin(stripe: SandboxProcess, tmp_path: Path) -> Callable[[type[Scenario]], Scenario]:
    def prepared(scenario: type[Scenario]) -> Scenario:
        begun = scenario(stripe, tmp_path)
        begun.prepare()
        return begun

    return prepared


class TestAProcessKilledWhileSelling:
    @pytest.mark.parametrize("scenario", SCENARIOS)
    def test_has_just_these_steps(self, begin: Callable[[type[Scenario]], Scenario], scenario: type[Scenario]) -> None:
        begun = begin(scenario)

        assert steps_of(begun.act) == scenario.steps

    @pytest.mark.parametrize(("scenario", "number", "after"), POINTS)
    def test_loses_nothing_and_doubles_nothing(
        self, begin: Callable[[type[Scenario]], Scenario], scenario: type[Scenario], number: int, after: bool
    ) -> None:
        begun = begin(scenario)

        killed_at(begun.act, number=number, after=after)
        begun.recover()

        assert examine(now=utc_now() + SOON) == {}
        begun.check()
