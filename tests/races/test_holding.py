"""Many requests of one account at once, and an offered place that is accepted just as it ends."""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from django.db import connections
from pytest_django import Settings

from accounts.models import Learner, User
from accounts.tests.factories import GuardianFactory, GuardianshipFactory, LearnerFactory, UserFactory
from billing.checkout import cancel_checkout
from billing.models import Checkout
from cohorts.locks import lock_cohort
from cohorts.models import Cohort, CohortPlace, WaitlistEntry
from cohorts.queries import get_cohort
from cohorts.sale import checkout, limits, waitlist
from cohorts.sale.checkout import start_checkout
from cohorts.sale.waitlist import expire_due_offers, join_waitlist, leave_waitlist
from cohorts.tests.factories import buy_on_rows, cohort_with, start
from cohorts.tests.places import counts
from core.actors import Actor
from core.clock import utc_now
from core.errors import DomainError
from operations.doctor import examine
from sandbox.testing import SandboxProcess
from tests.processes import Meeting, at_once

from .attempts import four_times_in_walks

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

CHILDREN = 8


def enroll(cohort: Cohort, learner: Learner, account: User) -> str:
    try:
        start_checkout(
            learner_id=learner.pk,
            course_code=cohort.instance.program.code,
            cohort_id=cohort.pk,
            success_url="http://127.0.0.1/done",
            cancel_url="http://127.0.0.1/back",
            actor=Actor("user", account.pk),
            now=utc_now(),
        )
    except DomainError as refusal:
        return refusal.code
    return "held"


class TestOneAccount:
    @pytest.fixture(autouse=True)
    def two_places(self, settings: Settings) -> None:
        settings.HELD_PLACES_PER_ACCOUNT = 2

    def test_asking_for_all_its_children_at_once_gets_what_one_may_hold(self, stripe: SandboxProcess) -> None:
        cohort, account = cohort_with(), UserFactory()
        children = LearnerFactory.create_batch(CHILDREN, workspace=cohort.instance.workspace)

        answers = at_once(*[partial(enroll, cohort, child, account) for child in children])

        assert sorted(answers) == ["held"] * 2 + ["too_many_places_held"] * (CHILDREN - 2)
        assert counts(cohort) == (0, 2)
        assert Checkout.objects.count() == 2
        assert examine() == {}

    def test_without_the_lock_on_it_gets_more(self, stripe: SandboxProcess, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: a request that counts while the others are counting misses theirs."""
        monkeypatch.setattr(limits, "lock_account", lambda pk: None)
        monkeypatch.setattr(checkout, "refuse_hoarding", Meeting(limits.refuse_hoarding, parties=CHILDREN))
        cohort, account = cohort_with(), UserFactory()
        children = LearnerFactory.create_batch(CHILDREN, workspace=cohort.instance.workspace)

        answers = at_once(*[partial(enroll, cohort, child, account) for child in children])

        assert answers.count("held") > 2
        assert counts(cohort) == (0, answers.count("held"))


class TestALine:
    """The cohort is full, so that newcomers wait; an account, and a family, may have two places of any kind."""

    @pytest.fixture
    def full(self, settings: Settings) -> Cohort:
        settings.HELD_PLACES_PER_ACCOUNT = 2
        cohort = cohort_with(max_enrollment=1)
        buy_on_rows(cohort)
        return cohort

    def test_accepts_two_of_the_children_that_one_account_enters_at_once(self, full: Cohort) -> None:
        account = UserFactory()
        children = LearnerFactory.create_batch(CHILDREN, workspace=full.instance.workspace)

        answers = at_once(*[partial(wait, full, child, account) for child in children])

        assert sorted(answers) == ["too_many_places_held"] * (CHILDREN - 2) + ["waits"] * 2
        assert WaitlistEntry.objects.count() == 2

    def test_accepts_two_of_the_children_that_two_parents_enter_at_once(self, full: Cohort) -> None:
        children, parents = family_of(full, CHILDREN)

        answers = at_once(*[partial(wait, full, child, parents[n % 2]) for n, child in enumerate(children)])

        assert sorted(answers) == ["too_many_places_held"] * (CHILDREN - 2) + ["waits"] * 2
        assert examine() == {}

    @pytest.mark.parametrize("lock", ["lock_account", "lock_household"])
    def test_without_the_lock_takes_more(self, full: Cohort, monkeypatch: pytest.MonkeyPatch, lock: str) -> None:
        """Control: a request that counts while the other is counting misses its place. One account needs the first
        lock, two parents the second.
        """
        monkeypatch.setattr(limits, lock, lambda key: None)
        monkeypatch.setattr(waitlist, "refuse_hoarding", Meeting(limits.refuse_hoarding, parties=3))
        if lock == "lock_account":
            children, account = LearnerFactory.create_batch(3, workspace=full.instance.workspace), UserFactory()
            asked = [(child, account) for child in children]
        else:
            children, parents = family_of(full, 3)
            asked = list(zip(children, parents, strict=True))

        answers = at_once(*[partial(wait, full, child, account) for child, account in asked])

        assert answers == ["waits"] * 3


def end_offers(over: dt.datetime) -> None:
    """Run in a thread, on a connection of its own."""
    expire_due_offers(now=over)
    connections.close_all()


def wait(cohort: Cohort, learner: Learner, account: User) -> str:
    try:
        join_waitlist(learner_id=learner.pk, cohort_id=cohort.pk, actor=Actor("user", account.pk), now=utc_now())
    except DomainError as refusal:
        return refusal.code
    return "waits"


def family_of(cohort: Cohort, count: int) -> tuple[list[Learner], list[User]]:
    """Create a number of children, and accounts, with one guardian in common; no account belongs to another child."""
    workspace = cohort.instance.workspace
    children, guardian = LearnerFactory.create_batch(count, workspace=workspace), GuardianFactory(workspace=workspace)
    for child in children:
        GuardianshipFactory(guardian=guardian, learner=child)
    return children, UserFactory.create_batch(count)


class TestAnOfferedPlace:
    """Ending an offer waits for accepting it, by the lock on the learner. Without that lock, as in some tests, the
    cohort is locked and the offer is checked again.
    """

    @pytest.fixture
    def offered(self, stripe: SandboxProcess) -> tuple[Cohort, Learner]:
        """A cohort whose one place is offered to a learner."""
        cohort = cohort_with(max_enrollment=1)
        paying = start(cohort)
        learner = LearnerFactory(workspace=cohort.instance.workspace)
        join_waitlist(learner_id=learner.pk, cohort_id=cohort.pk, now=utc_now())
        cancel_checkout(checkout_id=paying.pk, now=utc_now())
        return cohort, learner

    @four_times_in_walks
    def test_accepted_as_its_time_ends_is_held_for_an_open_checkout(
        self, offered: tuple[Cohort, Learner], attempt: int
    ) -> None:
        cohort, learner = offered
        over = WaitlistEntry.objects.get().offer_expires_at

        accepted, _ = at_once(partial(enroll, cohort, learner, UserFactory()), partial(expire_due_offers, now=over))

        place = CohortPlace.objects.filter(learner=learner).latest("pk")
        assert accepted == "held"
        assert place.checkout is not None
        assert (place.status, place.checkout.status) == ("held", "open")
        assert counts(cohort) == (0, 1)
        assert examine() == {}

    @pytest.mark.unordered_locks  # without the lock of the place's owner
    def test_that_ends_while_the_cohort_is_read_leaves_room(
        self, offered: tuple[Cohort, Learner], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cohort, learner = offered
        over = WaitlistEntry.objects.get().offer_expires_at
        read = get_cohort

        def read_and_end_the_offer(**which: Any) -> Cohort:
            found = read(**which)
            with ThreadPoolExecutor(1) as another:
                another.submit(end_offers, over).result(timeout=20)
            return found

        monkeypatch.setattr(checkout, "get_cohort", read_and_end_the_offer)
        monkeypatch.setattr(waitlist, "lock_owner_of_place", lambda place_id: None)

        assert enroll(cohort, learner, UserFactory()) == "held"
        assert counts(cohort) == (0, 1)

    def test_that_is_declined_after_the_first_check_is_checked_again(
        self, offered: tuple[Cohort, Learner], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cohort, learner = offered

        self.accept_while_it_is_declined(cohort, learner, monkeypatch)

        assert counts(cohort) == (0, 1)
        assert examine() == {}

    def test_checked_only_once_can_be_paid_for_after_it_is_gone(
        self, offered: tuple[Cohort, Learner], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Control: without the second check, after the cohort is locked."""
        cohort, learner = offered
        looks = {learner.pk: CohortPlace.objects.select_related("checkout", "cohort").get(status="held")}
        monkeypatch.setattr(checkout, "_held_place", lambda learner, cohort_id: looks[learner.pk])

        self.accept_while_it_is_declined(cohort, learner, monkeypatch)

        assert "cohorts.live_checkouts_hold_a_place" in examine()

    def accept_while_it_is_declined(self, cohort: Cohort, learner: Learner, monkeypatch: pytest.MonkeyPatch) -> None:
        """Decline the offer between the first check and the lock."""
        monkeypatch.setattr(waitlist, "lock_learner", lambda learner_id: None)
        looked, declined = (Meeting(lambda: None) for _ in range(2))
        lock = lock_cohort

        def wait_and_lock(cohort_id: int) -> Cohort:
            looked()
            declined()
            return lock(cohort_id)

        def decline() -> None:
            looked()
            leave_waitlist(learner_id=learner.pk, cohort_id=cohort.pk, now=utc_now())
            declined()

        monkeypatch.setattr(checkout, "lock_cohort", wait_and_lock)
        assert at_once(partial(enroll, cohort, learner, UserFactory()), decline) == ["held", None]
