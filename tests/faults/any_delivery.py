"""Vendors whose notices arrive badly: some never, some several times, some long after later ones. Notices that arrive
in order, once, and immediately go through the same code, for comparison.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Any

from accounts.models import Workspace
from accounts.tests.factories import GuardianFactory
from billing.inbox import HANDLED_TYPES, handle_due_events, handle_event, receive_event
from billing.models import Dispute, Invoice, Payment, PayoutLine, Refund
from billing.payouts import adopt_payout_lines, list_new_payouts, read_due_payouts
from billing.reconciliation import reconcile_stripe
from billing.tests.stripe_world import StripeWorld, signed
from core.clock import utc_now
from enrollments.models import EnrollmentDecision
from enrollments.tests.factories import InstanceFactory, route
from events.models import OutboxEvent
from notifications.models import Notification
from partners import inbox as partners_inbox
from partners.models import Certificate, EnrollmentStep
from sandbox.testing import SandboxProcess
from tests.sweeps import SOON

from .partner_world import World, message

COPIES = {0: 10, 1: 60, 2: 20, 3: 10}  # of a hundred notices, how many are delivered this many times
HELD_BACK = 0.4  # of the notices on their way, until the next time


@dataclass
class Post:
    """The mail between a vendor and us. Without `chance`, it delivers everything in order, once, and immediately."""

    deliver: Callable[[Any], None]
    chance: Random | None = None
    on_its_way: list[Any] = field(default_factory=list)
    taken: int = 0
    dropped: int = 0
    delivered: int = 0

    def take(self, messages: list[Any]) -> None:
        self.taken += len(messages)
        if self.chance is None:
            self._deliver(messages)
            return
        for each in messages:
            (copies,) = self.chance.choices([*COPIES], weights=[*COPIES.values()])
            self.dropped += copies == 0
            self.on_its_way += [each] * copies
        self.chance.shuffle(self.on_its_way)
        held = int(len(self.on_its_way) * HELD_BACK)
        now, self.on_its_way = self.on_its_way[held:], self.on_its_way[:held]
        self._deliver(now)

    def bring_the_rest(self) -> None:
        self._deliver(self.on_its_way)
        self.on_its_way = []

    def _deliver(self, messages: Iterable[Any]) -> None:
        for each in messages:
            self.delivered += 1
            self.deliver(each)


# What parents and banks do, in three rounds. Everybody in a round acts before we are told about any of it.
TALES: dict[str, tuple[str, ...]] = {
    "pays": ("pay",),
    "lets the page expire": ("expire",),
    "pays after a declined card": ("decline", "pay"),
    "pays by debit": ("debit", "settle"),
    "has no money for the debit": ("debit", "bounce"),
    "has it all back": ("pay", "refund"),
    "has it back in parts": ("pay", "refund some", "refund"),
    "has some back that its bank refuses": ("pay", "refund some", "send back"),
    "asks its bank": ("pay", "ask", "answer"),
    "disputes in vain": ("pay", "dispute", "we win"),
    "disputes and has it back": ("pay", "dispute", "we lose"),
    "has some back and disputes the rest": ("pay", "refund some", "dispute"),
}
ROUNDS = 3
PART = 1000
OUTCOMES = {"answer": "warning_closed", "we win": "won", "we lose": "lost"}


class Parents:
    """Families of one workspace who each live through one of the tales."""

    def __init__(
        self, stripe: SandboxProcess, *, of_each: int, tales: Iterable[str] = TALES, chance: Random | None = None
    ) -> None:
        self.stripe = stripe
        self.world = StripeWorld(stripe)
        self.chance = chance
        self.post = Post(self._receive, chance)
        self.workspace: Workspace = InstanceFactory().workspace
        self.seen = len(self._events())
        self.under_way: dict[str, str] = {}  # by payment intent, the open refund or dispute
        self.decisions = {(tale, number): self._ask(tale, number) for tale in tales for number in range(of_each)}

    def live(self) -> None:
        for number in range(ROUNDS):
            for (tale, _), decision in self.decisions.items():
                if number < len(TALES[tale]):
                    self._do(TALES[tale][number], decision)
            events = self._events()
            self.post.take(events[self.seen :])
            self.seen = len(events)
            if self.chance is None or self.chance.random() < 0.5:
                handle_due_events(now=utc_now() + SOON, limit=10_000)
        # Once: Stripe pays nothing out while refunds exceed payments. We have not heard of some of the payments.
        self.stripe.pay_out()
        self._read_payouts()

    def end(self, *, is_reconciled: bool = True) -> None:
        """Find what never arrived; anything late arrives after that."""
        if is_reconciled:
            reconcile_stripe(now=utc_now())
        self.post.bring_the_rest()
        handle_due_events(now=utc_now() + SOON, limit=10_000)
        self._read_payouts()
        adopt_payout_lines()
        put_mails_off()

    def ends(self) -> list[tuple[str, dict[str, Any]]]:
        """Return the tale that each family lived through, and how it ended."""
        return [(tale, state_of(decision.pk)) for (tale, _), decision in self.decisions.items()]

    def told(self) -> list[tuple[str, Counter[str]]]:
        """Return each family's tale, and the events sent to integrators."""
        return [(tale, told_of(decision)) for (tale, _), decision in self.decisions.items()]

    def _ask(self, tale: str, number: int) -> EnrollmentDecision:
        name = f"{tale.replace(' ', '-')}-{number}"
        GuardianFactory(workspace=self.workspace, external_id=name, email=f"{name}@home.test")
        return route(self.workspace, email=f"{name}@school.test", tenant_id=None, guardian_id=name).decision

    def _do(self, deed: str, decision: EnrollmentDecision) -> None:
        checkout = decision.checkout
        assert checkout is not None
        stripe = self.stripe
        session_id = str(checkout.stripe_session_id)
        if deed in ("pay", "decline", "debit"):
            stripe.pay(checkout.url, card={"pay": "ok", "decline": "declined", "debit": "async"}[deed])
        elif deed in ("settle", "bounce"):
            stripe.settle(checkout.url, outcome="succeeded" if deed == "settle" else "failed").raise_for_status()
        elif deed == "expire":
            self.world.client.v1.checkout.sessions.expire(session_id)
        else:
            intent = str(self.world.client.v1.checkout.sessions.retrieve(session_id).payment_intent)
            if deed == "refund some":
                refund = self.world.client.v1.refunds.create({"payment_intent": intent, "amount": PART})
                self.under_way[intent] = refund.id
            elif deed == "refund":
                self.world.client.v1.refunds.create({"payment_intent": intent})
            elif deed == "send back":
                stripe.settle_refund(self.under_way[intent], outcome="failed")
            elif deed == "ask":
                self.under_way[intent] = stripe.open_dispute(intent, status="warning_needs_response")["id"]
            elif deed == "dispute":
                amount = decision.checkout.amount_minor - (PART if intent in self.under_way else 0)
                self.under_way[intent] = stripe.open_dispute(intent, amount=amount)["id"]
            else:
                stripe.close_dispute(self.under_way[intent], outcome=OUTCOMES[deed])

    def _receive(self, body: dict[str, Any]) -> None:
        raw = json.dumps(body).encode()
        now = utc_now()
        receive_event(raw=raw, signature_header=signed(raw), now=now)
        if self.chance is None or self.chance.random() < 0.7:  # otherwise a sweep handles it
            handle_event(event_id=body["id"], now=now)

    def _events(self) -> list[dict[str, Any]]:
        """Return everything that Stripe reports and we act on, oldest first."""
        listed = self.world.client.v1.events.list({"limit": 100, "types": list(HANDLED_TYPES)}).auto_paging_iter()
        return [event.to_dict() for event in listed][::-1]

    def _read_payouts(self) -> None:
        list_new_payouts(now=utc_now())
        read_due_payouts(limit=100, now=utc_now() + SOON)


def put_mails_off() -> None:
    """Postpone mails: nobody sends them here, and thousands of events take longer than a mail may wait."""
    Notification.objects.update(next_attempt_at=utc_now() + SOON)


def state_of(decision_id: int) -> dict[str, Any]:
    """Return the state of a family's money and enrollment, except ids, times, and the order of rows."""
    decision = EnrollmentDecision.objects.select_related("checkout", "enrollment").get(pk=decision_id)
    payments = Payment.objects.filter(checkout=decision.checkout)
    mails = Notification.objects.about(
        [f"enrollment:{decision.enrollment.cuid}", *(f"payment:{p.pk}" for p in payments)]
    )

    def rows(found: Any, *columns: str) -> list[Any]:
        return sorted(map(list, found.values_list(*columns)))

    assert decision.checkout is not None
    enrollment = decision.enrollment
    return {
        "decision": decision.status,
        "checkout": decision.checkout.status,
        "enrollment": [enrollment.payment_status, enrollment.eligibility_status],
        "payments": rows(payments, "status", "amount_minor", "refunded_minor"),
        "refunds": rows(Refund.objects.filter(payment__in=payments), "status", "amount_minor", "reason"),
        "disputes": rows(Dispute.objects.filter(payment__in=payments), "status", "amount_minor", "withdrawn_minor"),
        "payout lines": rows(PayoutLine.objects.filter(payment__in=payments), "kind", "amount_minor", "fee_minor"),
        "invoiced": sum(Invoice.objects.filter(payment__in=payments).values_list("amount_minor", flat=True)),
        "mails": sorted(set(mails.values_list("kind", flat=True))),
    }


def told_of(decision: EnrollmentDecision) -> Counter[str]:
    payments = Payment.objects.filter(checkout=decision.checkout).values_list("pk", flat=True)
    about = [f"decision:{decision.pk}", f"enrollment:{decision.enrollment.cuid}", f"checkout:{decision.checkout_id}"]
    told = OutboxEvent.objects.filter(aggregate__in=[*about, *(f"payment:{pk}" for pk in payments)])
    return Counter(told.values_list("type", flat=True))


class Courses:
    """Learners who go through two partners in order; the first partner's reports arrive in order."""

    def __init__(self, lms: SandboxProcess, *, learners: int, chance: Random) -> None:
        self.world = World(lms)
        self.first, *self.others = [self.world.learner() for _ in range(learners + 1)]
        self.orderly = Post(self._receive)
        self.post = Post(self._receive, chance)

    def live(self) -> None:
        for provider in self.world.providers:
            self.world.run_sweeps()
            taught = EnrollmentStep.objects.filter(provider=provider, status="in_progress").order_by("pk")
            for step in taught:
                self.world.lms.take_course(step.launch_url)
                post = self.orderly if step.enrollment_id == self.first.pk else self.post
                post.take([(step, *told) for told in MESSAGES])

    def end(self) -> None:
        """Ask the partners for what they have not reported; anything late arrives after that."""
        self.world.bring_to_the_end()
        self.post.bring_the_rest()
        partners_inbox.handle_due_events(now=self.world.now, limit=10_000)
        put_mails_off()

    def ends(self, enrollment_id: int) -> list[Any]:
        steps = EnrollmentStep.objects.of(enrollment_id)
        passed = [list(step.transitions.order_by("number").values_list("to_status", flat=True)) for step in steps]
        return [
            [(step.status, step.progress) for step in steps],
            passed,
            Certificate.objects.filter(enrollment=enrollment_id).count(),
        ]

    def _receive(self, told: tuple[EnrollmentStep, str, dict[str, Any]]) -> None:
        step, kind, data = told
        name = f"{step.pk}-{kind}-{data.get('progress', '')}"
        raw, headers = message(kind, str(step.external_enrollment_id), message_id=name, **data)
        stored, _ = partners_inbox.receive_event(slug=step.provider.slug, raw=raw, headers=headers, now=utc_now())
        partners_inbox.handle_event(event_id=stored.pk, now=self.world.now)


MESSAGES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("enrollment.created", {}),
    ("progress.updated", {"progress": 40}),
    ("progress.updated", {"progress": 80}),
    ("course.completed", {}),
)
