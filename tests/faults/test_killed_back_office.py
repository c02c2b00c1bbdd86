"""SIGKILL between any two steps of the back office and its sweeps: mails, invoices, held answers, idle seats, vouchers,
payouts, disputes, webhooks, and money from outside of Stripe. test_killed_processes.py explains how.
"""

import contextlib
import datetime as dt
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from billing.checkout import settle_checkout
from billing.errors import AlreadyPaid
from billing.gateways import fakturownia
from billing.invoicing import issue_requested
from billing.models import Checkout, Discount, Dispute, Invoice, Payment, Payout, PayoutLine, Seller, Voucher
from billing.offline import Proof
from billing.payouts import list_new_payouts, read_due_payouts
from billing.states import OfflineMeans
from billing.tests.factories import VoucherFactory
from core.clock import utc_now
from core.outbound import Answer
from enrollments.allocations.idle.asking import ask_idle
from enrollments.allocations.idle.finding import set_idle_rule
from enrollments.allocations.idle.reclaiming import reclaim_due
from enrollments.models import DistrictSeatAllocation, Enrollment, EnrollmentDecision, HeldReview, IdleSeat
from enrollments.offline import pay_offline
from enrollments.review.held import carry_out_due_reviews, hold_review
from enrollments.states import EligibilityStatus, ReviewMode
from enrollments.tests.factories import STAFF, InstanceFactory, route, seats
from events.models import OutboxEvent, WebhookAttempt
from events.tests.factories import listen, tell
from events.webhooks import delivering
from events.webhooks.delivering import deliver_next
from notifications.models import Notification
from notifications.sending import send_due_notifications, send_notification
from sandbox.testing import SandboxProcess
from tests.sweeps import SOON, sweep

from .points import KilledAtEachPoint
from .test_killed_processes import HandlingAWebhook, RoutingToACheckout, Scenario

pytestmark = [pytest.mark.race, pytest.mark.fault, pytest.mark.django_db(transaction=True)]


class SendingAMail(Scenario):
    """Twice rather than never: if the sender dies before recording it, the mail goes out again with its Message-ID."""

    steps = ["update notifications_notification", "mail", "update notifications_notification"]

    def prepare(self) -> None:
        instance = InstanceFactory()
        allocation = seats(instance.workspace, total=1)
        set_idle_rule(allocation_id=allocation.pk, idle_days=30, grace_days=7, now=utc_now())
        route(instance.workspace, now=utc_now() - dt.timedelta(days=40))
        ask_idle(now=utc_now())
        self.mail = Notification.objects.latest("pk")

    def act(self) -> None:
        send_notification(notification_id=self.mail.pk, now=utc_now())

    def recover(self) -> None:
        send_due_notifications(now=utc_now() + SOON)

    def check(self) -> None:
        sent = [
            re.findall(r"(?m)^Message-ID: (.+)$", file.read_text())
            for file in sorted((self.folder / "mails").iterdir())
            if "for 40 days" in file.read_text()
        ]
        assert 1 <= len(sent) <= 2
        assert len({name for names in sent for name in names}) == 1
        assert Notification.objects.get(pk=self.mail.pk).status == "sent"


class HavingAnInvoiceIssued(Scenario):
    """The vendor gives a number of its own to every document that it is asked for."""

    steps = ["update billing_invoice", "update billing_invoice", "POST /fakturownia/acme/invoices.json", "commit"]

    def prepare(self) -> None:
        fakturownia._breaker_of.cache_clear()
        self.stripe.invoicing("acme", api_token="secret")
        self.instance = InstanceFactory(review_mode=ReviewMode.MANUAL)
        self.ask_parent()
        checkout = Checkout.objects.get()
        self.stripe.pay(checkout.url, email="parent@example.test")
        Seller.objects.create(
            workspace=self.instance.workspace,
            name="Academy",
            tax_id="5252445767",
            address="ul. Prosta 1\n00-001 Warszawa",
            provider="fakturownia",
            base_url=f"{self.stripe.url}/fakturownia/acme",
            api_token="secret",
        )
        settle_checkout(checkout_id=checkout.pk, now=utc_now())

    def act(self, after: dt.timedelta = dt.timedelta()) -> None:
        issue_requested(workspace_id=self.instance.workspace_id, now=utc_now() + after)

    def recover(self) -> None:
        sweep()
        self.act(SOON)

    def check(self) -> None:
        (document,) = self.stripe.invoicing("acme")["documents"]
        assert (Invoice.objects.get().status, Invoice.objects.get().number) == ("issued", document["number"])


class CarryingOutAHeldAnswer(Scenario):
    steps = ["commit"]

    def prepare(self) -> None:
        instance = InstanceFactory(review_mode=ReviewMode.MANUAL)
        seats(instance.workspace, total=1)
        route(instance.workspace)
        self.enrollment = Enrollment.objects.get()
        hold_review(
            enrollment_id=self.enrollment.pk,
            outcome=EligibilityStatus.REJECTED,
            reason="Too young",
            actor=STAFF,
            now=utc_now(),
        )

    def act(self) -> None:
        carry_out_due_reviews(now=utc_now() + SOON)

    def recover(self) -> None:
        self.act()

    def check(self) -> None:
        assert HeldReview.objects.get().status == "carried_out"
        assert Enrollment.objects.get().eligibility_status == "rejected"
        assert DistrictSeatAllocation.objects.get().used_seats == 0
        assert OutboxEvent.objects.filter(type="seat.released").count() == 1


class ReclaimingAnIdleSeat(Scenario):
    """One family was asked whether it still needs its seat, and did not answer; another one waits for a seat."""

    steps = ["commit", "ring notifications.tasks.send_due_notifications"]

    def prepare(self) -> None:
        instance = InstanceFactory()
        allocation = seats(instance.workspace, total=1)
        set_idle_rule(allocation_id=allocation.pk, idle_days=30, grace_days=7, now=utc_now())
        route(instance.workspace, email="ana@school.test", first_name="Ana", now=utc_now() - dt.timedelta(days=40))
        ask_idle(now=utc_now())
        waits = route(instance.workspace, email="ben@school.test", first_name="Ben", guardian_id="guardian_456")
        assert waits.decision.checkout is not None
        self.stripe.advance_clock(seconds=24 * 3600)
        sweep(dt.timedelta(hours=25))

    def act(self) -> None:
        reclaim_due(now=utc_now() + dt.timedelta(days=8))

    def recover(self) -> None:
        self.act()

    def check(self) -> None:
        idle = IdleSeat.objects.select_related("passed_on_to__learner").get()
        assert idle.status == "reclaimed"
        assert idle.passed_on_to is not None
        assert idle.passed_on_to.learner.email == "ben@school.test"
        assert DistrictSeatAllocation.objects.get().used_seats == 1
        statuses = Enrollment.objects.values_list("learner__email", "eligibility_status").order_by("learner__email")
        assert list(statuses) == [("ana@school.test", "unenrolled"), ("ben@school.test", "approved")]


class RoutingWithAVoucher(RoutingToACheckout):
    """The voucher can be used once; the repeated request is not refused because of its own use."""

    def prepare(self) -> None:
        super().prepare()
        VoucherFactory(workspace=self.instance.workspace, code="SPRING-25", most_uses=1)

    def ask_parent(self, **asked: Any) -> EnrollmentDecision:
        return super().ask_parent(voucher="SPRING-25", **asked)

    def check(self) -> None:
        super().check()
        assert (Voucher.objects.get().uses, Discount.objects.get().status) == (1, "reserved")
        assert self.stripe.ledger()["sessions"][0]["amount"] == 3675


class ReadingPayouts(Scenario):
    steps = [
        "GET /v1/payouts",
        "commit",
        "update billing_payout",
        "GET /v1/…",
        "commit",
        "update billing_payout",
    ]

    def prepare(self) -> None:
        settle_checkout(checkout_id=self.pay().pk, now=utc_now())
        self.stripe.pay_out()

    def act(self, after: dt.timedelta = dt.timedelta()) -> None:
        list_new_payouts(now=utc_now() + after)
        read_due_payouts(limit=10, now=utc_now() + after)

    def recover(self) -> None:
        self.act(SOON)

    def check(self) -> None:
        payout = Payout.objects.get()
        assert payout.lines_read_at is not None
        line = PayoutLine.objects.get()
        assert (line.payment_id, line.amount_minor) == (Payment.objects.get().pk, 4900)
        assert payout.amount_minor == line.amount_minor - line.fee_minor


class HearingOfADispute(HandlingAWebhook):
    steps = ["GET /v1/disputes/…", "commit"]

    def prepare(self) -> None:
        settle_checkout(checkout_id=self.pay().pk, now=utc_now())
        self.stripe.open_dispute(str(Payment.objects.get().payment_intent_id))
        self.receive("charge.dispute.created")

    def check(self) -> None:
        assert (Dispute.objects.get().status, Payment.objects.get().status) == ("open", "disputed")
        assert OutboxEvent.objects.filter(type="payment.disputed").count() == 1


class TellingAReceiver(Scenario):
    """Twice rather than never, in order, and under one id."""

    steps = [
        "update events_webhookendpoint",
        "tell a receiver",
        "commit",
    ]

    def prepare(self) -> None:
        now = utc_now()
        workspace = InstanceFactory().workspace
        self.endpoint = listen(workspace, now=now)
        self.things = ["a", "b"]
        tell(workspace, *self.things, now=now)

    def act(self) -> None:
        deliver_next(endpoint_id=self.endpoint.pk, now=utc_now())

    def recover(self) -> None:
        now = utc_now() + SOON
        while deliver_next(endpoint_id=self.endpoint.pk, now=now):
            now += SOON

    def check(self) -> None:
        told = (self.folder / "told").read_text().split()
        written = list(OutboxEvent.objects.order_by("id").values_list("cuid", flat=True))
        assert list(dict.fromkeys(told)) == written
        assert len(told) <= len(written) + 1
        assert set(self.endpoint.deliveries.values_list("status", flat=True)) == {"delivered"}
        assert WebhookAttempt.objects.count() == len(written)


class RecordingMoneyOutsideOfStripe(Scenario):
    """The parent has a payment page open and brings cash."""

    steps = [
        "update billing_checkout",
        "GET /v1/checkout/sessions/…",
        "POST /v1/checkout/sessions/…/expire",
        "commit",
        "commit",
        "ring notifications.tasks.send_due_notifications",
    ]

    def prepare(self) -> None:
        self.instance = InstanceFactory()
        self.ask_parent()

    def act(self) -> None:
        pay_offline(enrollment_id=Enrollment.objects.get().pk, proof=Proof(OfflineMeans.CASH, STAFF), now=utc_now())

    def recover(self) -> None:
        with contextlib.suppress(AlreadyPaid):  # the staff member saw it fail, and presses again
            self.act()
        sweep()

    def check(self) -> None:
        assert (Payment.objects.get().method, Payment.objects.get().amount_minor) == ("offline", 4900)
        assert Checkout.objects.get().status == "cancelled"
        assert [session["status"] for session in self.stripe.ledger()["sessions"]] == ["expired"]
        assert Invoice.objects.count() == 1
        enrollment = Enrollment.objects.get()
        assert (enrollment.payment_status, enrollment.eligibility_status) == ("paid", "approved")


SCENARIOS: list[type[Scenario]] = [
    SendingAMail,
    HavingAnInvoiceIssued,
    CarryingOutAHeldAnswer,
    ReclaimingAnIdleSeat,
    RoutingWithAVoucher,
    ReadingPayouts,
    HearingOfADispute,
    TellingAReceiver,
    RecordingMoneyOutsideOfStripe,
]


@pytest.fixture
def begin(
    stripe: SandboxProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> Callable[[type[Scenario]], Scenario]:
    def take(method: str, url: str, *, headers: dict[str, str], **_: Any) -> Answer:
        with (tmp_path / "told").open("a") as told:
            told.write(headers["webhook-id"] + "\n")
        return Answer(200, {}, b"")

    monkeypatch.setattr(delivering, "ask", take)
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = tmp_path / "mails"

    def prepared(scenario: type[Scenario]) -> Scenario:
        stripe.reset()
        (tmp_path / "told").unlink(missing_ok=True)
        for mail in (tmp_path / "mails").glob("*"):
            mail.unlink()
        begun = scenario(stripe, tmp_path)
        begun.prepare()
        return begun

    return prepared


class TestAProcessKilledInTheBackOffice(KilledAtEachPoint):
    scenarios = SCENARIOS
