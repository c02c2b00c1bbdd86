"""Stripe's notices about a course in every possible order: the final state is what Stripe says."""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from django.db import transaction

from accounts.tests.factories import LearnerFactory
from billing import inbox
from billing.models import Checkout, Payment, StripeEvent
from billing.reconciliation import reconcile_stripe
from billing.tests.stripe_world import StripeWorld
from cohorts.course.scheduling import schedule_cohort
from cohorts.models import ClassSession, Cohort, CohortPlace, StepProgress, StudentPackage
from cohorts.tests.factories import CohortFactory, cohort_with, start
from core.clock import utc_now
from enrollments.models import Enrollment
from events.models import OutboxEvent
from operations.doctor import examine
from sandbox.testing import SandboxProcess
from tests.ledger import differences
from tests.sweeps import SOON

pytestmark = pytest.mark.django_db

CREATED = "payment_intent.created"
COMPLETED = "checkout.session.completed"
SUCCEEDED = "checkout.session.async_payment_succeeded"
FAILED = "checkout.session.async_payment_failed"
EXPIRED = "checkout.session.expired"
REFUNDED = "charge.refunded"

Order = tuple[str, ...]


@dataclass(frozen=True)
class Ending:
    """The final state of everything."""

    told: tuple[str, ...]  # about packages
    steps: tuple[str, ...]
    places: tuple[str, ...]
    counts: tuple[int, ...]  # taken and held in the cohort that was paid for, then in the other; seats in classes
    payment: tuple[str, str]  # its status, the enrollment's
    checkouts: tuple[str, ...]
    differences: frozenset[str] = frozenset()  # between our books and Stripe's
    breaches: frozenset[str] = frozenset()


class Story:
    """A learner whose first payment page expired, and who then chose a bank debit for another cohort of the course. We
    have not been told about either yet.
    """

    def __init__(self, stripe: SandboxProcess) -> None:
        self.stripe, self.world = stripe, StripeWorld(stripe)
        abandoned = cohort_with(options=(1, 2), max_enrollment=1)
        chosen = CohortFactory(instance=abandoned.instance, max_enrollment=1)
        schedule_cohort(cohort_id=chosen.pk)
        learner = LearnerFactory(workspace=abandoned.instance.workspace)
        first = start(abandoned, learner)
        self.world.client.v1.checkout.sessions.expire(str(first.stripe_session_id))
        self.checkout = start(chosen, learner)
        stripe.pay(self.checkout.url, card="async")
        self.cohorts = (chosen, abandoned)

    def settle(self, outcome: str) -> None:
        self.stripe.settle(self.checkout.url, outcome=outcome)

    def refund(self) -> None:
        """Refund it in full, as somebody in Stripe's dashboard."""
        (payment,) = self.stripe.ledger()["payments"]
        self.world.client.v1.refunds.create({"payment_intent": payment["id"]})

    def endings(self, orders: Sequence[Order]) -> dict[Order, Ending]:
        """Return what the events lead to in each of these orders."""
        events = {kind: self.world.event(kind) for kind in orders[0]}
        found = {}
        for order in orders:
            with undone():
                self.world.tell(*[events[kind] for kind in order])
                found[order] = self.ending()
        return found

    def ending(self) -> Ending:
        assert not StripeEvent.objects.filter(handled_at=None).exists()
        told = OutboxEvent.objects.filter(type__startswith="package.").order_by("id")
        counters = [Cohort.objects.values_list("current_enrollment", "held_places").get(pk=c.pk) for c in self.cohorts]
        seats = sum(ClassSession.objects.values_list("booked_count", flat=True))
        return Ending(
            told=tuple(told.values_list("type", flat=True)),
            steps=tuple(StepProgress.objects.order_by("step__order").values_list("status", flat=True)),
            places=tuple(CohortPlace.objects.order_by("-pk").values_list("status", flat=True)),
            counts=(*counters[0], *counters[1], seats),
            payment=(Payment.objects.get().status, Enrollment.objects.get().payment_status),
            checkouts=tuple(Checkout.objects.order_by("-pk").values_list("status", flat=True)),
            differences=frozenset(differences(self.stripe)),
            breaches=frozenset(examine(now=utc_now() + SOON)),
        )


@contextmanager
def undone() -> Iterator[None]:
    """Roll back whatever is written inside. This is not an atomic block, in which Stripe could not be called."""
    point = transaction.savepoint()
    yield
    transaction.savepoint_rollback(point)


def every_order(*types: str) -> list[Order]:
    return list(itertools.permutations(types))


def orders_with_every_triple(*types: str) -> list[Order]:
    """Return a few orders that contain any three of the events in each of their six orders: 8 of 120 for five events.

    Greedy: the next order is the first of those that show the most new triples.
    """
    remaining = set(itertools.permutations(types, 3))
    chosen: list[Order] = []
    while remaining:
        best = max(every_order(*types), key=lambda order: len(remaining & set(itertools.combinations(order, 3))))
        remaining -= set(itertools.combinations(best, 3))
        chosen.append(best)
    return chosen


REFUNDED_PURCHASE = (CREATED, COMPLETED, SUCCEEDED, EXPIRED, REFUNDED)
NOTHING_SOLD = Ending(
    told=("package.created", "package.revoked"),
    steps=("CANCELLED", "CANCELLED"),
    places=("released", "released"),
    counts=(0, 0, 0, 0, 0),
    payment=("refunded", "refunded"),
    checkouts=("paid", "cancelled"),
)


@pytest.fixture
def story(stripe: SandboxProcess) -> Story:
    return Story(stripe)


class TestEveryOrderOfEvents:
    def test_of_a_purchase_ends_in_one_package(self, story: Story) -> None:
        story.settle("succeeded")

        endings = story.endings(every_order(COMPLETED, SUCCEEDED, EXPIRED))

        assert len(endings) == 6
        assert set(endings.values()) == {
            Ending(
                told=("package.created",),
                steps=("BOOKED", "UNBOOKED"),
                places=("taken", "released"),
                counts=(1, 0, 0, 0, 1),
                payment=("paid", "paid"),
                checkouts=("paid", "cancelled"),
            )
        }

    def test_of_three_events_of_a_refunded_purchase_ends_in_nothing_sold(self, story: Story) -> None:
        story.settle("succeeded")
        story.refund()
        orders = orders_with_every_triple(*REFUNDED_PURCHASE)

        endings = story.endings(orders)

        assert set(endings) == set(orders)
        assert len(orders) == 8
        assert set(endings.values()) == {NOTHING_SOLD}

    @pytest.mark.walk
    @pytest.mark.parametrize("first", REFUNDED_PURCHASE)
    def test_of_a_refunded_purchase_ends_in_nothing_sold(self, first: str, story: Story) -> None:
        story.settle("succeeded")
        story.refund()

        endings = story.endings([order for order in every_order(*REFUNDED_PURCHASE) if order[0] == first])

        assert len(endings) == 24
        assert set(endings.values()) == {NOTHING_SOLD}

    def test_of_a_debit_that_the_bank_refused_ends_in_free_places(self, story: Story) -> None:
        story.settle("failed")

        endings = story.endings(every_order(COMPLETED, FAILED, EXPIRED))

        assert len(endings) == 6
        assert set(endings.values()) == {
            Ending(
                told=(),
                steps=(),
                places=("released", "released"),
                counts=(0, 0, 0, 0, 0),
                payment=("failed", "failed"),
                checkouts=("failed", "cancelled"),
            )
        }

    def test_without_looking_up_its_payment_would_lose_a_refund_that_is_reported_first(
        self, story: Story, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(inbox, "_session_to_catch_up", lambda intent, now: None)
        story.settle("succeeded")
        story.refund()

        story.world.tell(*[story.world.event(kind) for kind in (REFUNDED, COMPLETED, SUCCEEDED)])

        assert StudentPackage.objects.filter(revoked_at=None).count() == 1
        assert differences(story.stripe) != set()


class TestANoticeThatNeverComes:
    def test_is_found_by_reconciliation(self, story: Story) -> None:
        story.settle("succeeded")
        unheard = StudentPackage.objects.count()  # control: nobody told us

        reconcile_stripe(now=utc_now())

        assert unheard == 0
        ending = story.ending()
        assert (ending.told, ending.counts) == (("package.created",), (1, 0, 0, 0, 1))
        assert (ending.differences, ending.breaches) == (frozenset(), frozenset())
