import datetime as dt

import pytest
from django.db import OperationalError

from accounts.models import Learner
from accounts.tests.factories import LearnerFactory
from billing.checkout import cancel_checkout
from cohorts.errors import (
    AlreadyInLine,
    AlreadyOwned,
    CohortFull,
    CohortNotActive,
    NotInLine,
    PlaceAwaitsPayment,
    PlacesFree,
)
from cohorts.models import Cohort, CohortPlace, WaitlistEntry
from cohorts.sale import waitlist
from cohorts.sale.opening import change_capacity
from cohorts.sale.waitlist import (
    end_lines_of_past_cohorts,
    expire_due_offers,
    join_waitlist,
    leave_waitlist,
    position_of,
    reorder_entry,
)
from cohorts.tests.factories import CohortFactory, buy_on_rows, cohort_with, pay, start
from cohorts.tests.places import counts
from core.clock import utc_now
from core.errors import Invalid
from events.models import OutboxEvent
from sandbox.testing import SandboxProcess

pytestmark = pytest.mark.django_db(transaction=True)


def learner_for(cohort: Cohort) -> Learner:
    return LearnerFactory(workspace=cohort.instance.workspace)


def line(cohort: Cohort) -> list[tuple[int, str]]:
    return list(WaitlistEntry.objects.filter(cohort=cohort).order_by("rank", "id").values_list("learner_id", "status"))


@pytest.fixture
def full(stripe: SandboxProcess) -> Cohort:
    """Return a cohort whose one place is held by an open checkout."""
    cohort = cohort_with(max_enrollment=1)
    start(cohort)
    return cohort


class TestJoining:
    def test_puts_learners_in_the_order_they_came(self, full: Cohort) -> None:
        entries = [join_waitlist(learner_id=learner_for(full).pk, cohort_id=full.pk, now=utc_now()) for _ in range(3)]

        assert [position_of(entry) for entry in entries] == [1, 2, 3]

    def test_twice_is_refused(self, full: Cohort) -> None:
        learner = learner_for(full)
        join_waitlist(learner_id=learner.pk, cohort_id=full.pk, now=utc_now())

        with pytest.raises(AlreadyInLine):
            join_waitlist(learner_id=learner.pk, cohort_id=full.pk, now=utc_now())

        assert WaitlistEntry.objects.count() == 1

    def test_while_places_are_free_is_refused(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with(max_enrollment=1)

        with pytest.raises(PlacesFree):
            join_waitlist(learner_id=learner_for(cohort).pk, cohort_id=cohort.pk, now=utc_now())

        assert WaitlistEntry.objects.count() == 0

    def test_for_a_course_one_has_is_refused(self) -> None:
        cohort = cohort_with(max_enrollment=1)
        learner = learner_for(cohort)
        buy_on_rows(cohort, learner)

        with pytest.raises(AlreadyOwned):
            join_waitlist(learner_id=learner.pk, cohort_id=cohort.pk, now=utc_now())

        assert WaitlistEntry.objects.count() == 0

    def test_while_a_place_is_held_for_one_is_refused(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with(max_enrollment=1)
        learner = learner_for(cohort)
        start(cohort, learner)

        with pytest.raises(PlaceAwaitsPayment):
            join_waitlist(learner_id=learner.pk, cohort_id=cohort.pk, now=utc_now())

        assert WaitlistEntry.objects.count() == 0

    @pytest.mark.parametrize(
        "change", [{"is_active": False}, {"enrollment_deadline": dt.datetime(2020, 1, 1, tzinfo=dt.UTC)}]
    )
    def test_a_closed_cohort_is_refused(self, full: Cohort, change: dict[str, object]) -> None:
        Cohort.objects.update(**change)

        with pytest.raises(CohortNotActive):
            join_waitlist(learner_id=learner_for(full).pk, cohort_id=full.pk, now=utc_now())

        assert WaitlistEntry.objects.count() == 0


class TestAPlaceThatFrees:
    def test_is_held_for_the_next_in_line_and_nobody_else(self, stripe: SandboxProcess, full: Cohort) -> None:
        first, second = learner_for(full), learner_for(full)
        join_waitlist(learner_id=first.pk, cohort_id=full.pk, now=utc_now())
        join_waitlist(learner_id=second.pk, cohort_id=full.pk, now=utc_now())

        cancel_checkout(checkout_id=CohortPlace.objects.get().checkout_id, now=utc_now())

        assert line(full) == [(first.pk, "offered"), (second.pk, "waiting")]
        assert counts(full) == (0, 1)
        with pytest.raises(CohortFull):
            start(full)
        with pytest.raises(CohortFull):
            start(full, second)
        assert OutboxEvent.objects.filter(type="waitlist.offered").count() == 1

    def test_is_offered_though_another_offer_makes_trouble(
        self, stripe: SandboxProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cohorts = [cohort_with(max_enrollment=1) for _ in range(2)]
        for cohort in cohorts:
            checkout = start(cohort)
            join_waitlist(learner_id=learner_for(cohort).pk, cohort_id=cohort.pk, now=utc_now())
            cancel_checkout(checkout_id=checkout.pk, now=utc_now())
        broken = CohortPlace.objects.get(cohort=cohorts[0], status="held").pk
        expire = waitlist.end_overdue_hold

        def expire_but_one(*, place_id: int, now: dt.datetime) -> bool:
            if place_id == broken:
                raise OperationalError("canceling statement due to lock timeout")
            return expire(place_id=place_id, now=now)

        monkeypatch.setattr(waitlist, "end_overdue_hold", expire_but_one)

        ended = expire_due_offers(now=utc_now() + dt.timedelta(days=2))

        assert ended == 1
        assert [line(cohort)[0][1] for cohort in cohorts] == ["offered", "expired"]

    def test_passes_over_who_has_bought_the_course_in_another_cohort(self, full: Cohort) -> None:
        buyer, next_one = learner_for(full), learner_for(full)
        for learner in (buyer, next_one):
            join_waitlist(learner_id=learner.pk, cohort_id=full.pk, now=utc_now())
        buy_on_rows(CohortFactory(instance=full.instance), buyer)

        cancel_checkout(checkout_id=CohortPlace.objects.get(cohort=full).checkout_id, now=utc_now())

        assert line(full) == [(buyer.pk, "left"), (next_one.pk, "offered")]
        assert OutboxEvent.objects.filter(type="waitlist.ended").count() == 1

    def test_passes_over_who_holds_a_place_here_already(self, stripe: SandboxProcess, full: Cohort) -> None:
        """They got it while the line was not being served: the deadline had passed, and was then extended."""
        first, second = learner_for(full), learner_for(full)
        for learner in (first, second):
            join_waitlist(learner_id=learner.pk, cohort_id=full.pk, now=utc_now())
        Cohort.objects.update(enrollment_deadline=utc_now() - dt.timedelta(days=1))
        cancel_checkout(checkout_id=CohortPlace.objects.get().checkout_id, now=utc_now())
        Cohort.objects.update(enrollment_deadline=None)
        start(full, first)

        change_capacity(cohort_id=full.pk, max_enrollment=2, now=utc_now())

        assert line(full) == [(first.pk, "waiting"), (second.pk, "offered")]
        assert counts(full) == (0, 2)

    def test_is_bought_by_who_was_offered_it(self, full: Cohort) -> None:
        learner = learner_for(full)
        join_waitlist(learner_id=learner.pk, cohort_id=full.pk, now=utc_now())
        cancel_checkout(checkout_id=CohortPlace.objects.get().checkout_id, now=utc_now())

        package = buy_on_rows(full, learner)

        assert package.learner == learner
        assert line(full) == [(learner.pk, "accepted")]
        assert counts(full) == (1, 0)

    def test_goes_on_to_the_next_when_declined(self, stripe: SandboxProcess, full: Cohort) -> None:
        first, second = learner_for(full), learner_for(full)
        join_waitlist(learner_id=first.pk, cohort_id=full.pk, now=utc_now())
        join_waitlist(learner_id=second.pk, cohort_id=full.pk, now=utc_now())
        cancel_checkout(checkout_id=CohortPlace.objects.get().checkout_id, now=utc_now())

        leave_waitlist(learner_id=first.pk, cohort_id=full.pk, now=utc_now())

        assert line(full) == [(first.pk, "declined"), (second.pk, "offered")]
        assert counts(full) == (0, 1)

    def test_goes_on_to_the_next_when_the_offer_ends(self, stripe: SandboxProcess, full: Cohort) -> None:
        first, second = learner_for(full), learner_for(full)
        join_waitlist(learner_id=first.pk, cohort_id=full.pk, now=utc_now())
        join_waitlist(learner_id=second.pk, cohort_id=full.pk, now=utc_now())
        cancel_checkout(checkout_id=CohortPlace.objects.get().checkout_id, now=utc_now())
        early, late = utc_now() + dt.timedelta(hours=23), utc_now() + dt.timedelta(hours=25)

        assert expire_due_offers(now=early) == 0
        assert expire_due_offers(now=late) == 1

        assert line(full) == [(first.pk, "expired"), (second.pk, "offered")]
        assert counts(full) == (0, 1)

    def test_whose_checkout_was_started_ends_with_it_and_not_with_the_offer(
        self, stripe: SandboxProcess, full: Cohort
    ) -> None:
        learner = learner_for(full)
        join_waitlist(learner_id=learner.pk, cohort_id=full.pk, now=utc_now())
        cancel_checkout(checkout_id=CohortPlace.objects.get().checkout_id, now=utc_now())
        checkout = start(full, learner)

        ended = expire_due_offers(now=utc_now() + dt.timedelta(hours=25))

        assert ended == 0
        assert pay(stripe, checkout) is not None
        assert line(full) == [(learner.pk, "accepted")]

    def test_with_nobody_in_line_is_free(self, stripe: SandboxProcess, full: Cohort) -> None:
        learner = learner_for(full)
        join_waitlist(learner_id=learner.pk, cohort_id=full.pk, now=utc_now())
        leave_waitlist(learner_id=learner.pk, cohort_id=full.pk, now=utc_now())

        cancel_checkout(checkout_id=CohortPlace.objects.get().checkout_id, now=utc_now())

        assert line(full) == [(learner.pk, "left")]
        assert counts(full) == (0, 0)


class TestLeaving:
    def test_without_being_in_line_is_refused(self, full: Cohort) -> None:
        with pytest.raises(NotInLine):
            leave_waitlist(learner_id=learner_for(full).pk, cohort_id=full.pk, now=utc_now())

        assert WaitlistEntry.objects.count() == 0


class TestALineForACohortThatIsOver:
    @pytest.mark.parametrize(("days_ago", "ended", "status"), [(2, 1, "expired"), (0, 0, "waiting")])
    def test_ends_after_its_last_day(self, full: Cohort, days_ago: int, ended: int, status: str) -> None:
        learner = learner_for(full)
        join_waitlist(learner_id=learner.pk, cohort_id=full.pk, now=utc_now())
        last_day = utc_now().date() - dt.timedelta(days=days_ago)
        Cohort.objects.update(start_date=last_day - dt.timedelta(weeks=1), end_date=last_day)

        answer = end_lines_of_past_cohorts(now=utc_now())

        assert (answer, line(full)) == (ended, [(learner.pk, status)])
        assert OutboxEvent.objects.filter(type="waitlist.ended").count() == ended


class TestReordering:
    def test_moves_somebody_to_a_position_and_keeps_why(self, full: Cohort) -> None:
        entries = [join_waitlist(learner_id=learner_for(full).pk, cohort_id=full.pk, now=utc_now()) for _ in range(4)]

        for position in (1, 3, 99):
            moved = reorder_entry(entry_id=entries[2].pk, position=position, reason="Sibling is in the cohort")
            assert position_of(moved) == min(position, 4)

        assert moved.note == "Sibling is in the cohort"

    def test_as_often_as_staff_like_keeps_the_order_they_chose(self, full: Cohort) -> None:
        entries = [join_waitlist(learner_id=learner_for(full).pk, cohort_id=full.pk, now=utc_now()) for _ in range(3)]

        for turn in range(60):
            last = entries[2 - turn % 2]
            assert position_of(reorder_entry(entry_id=last.pk, position=2, reason="Again")) == 2

        waiting = WaitlistEntry.objects.filter(status="waiting").order_by("rank")
        assert [entry.pk for entry in waiting] == [entries[0].pk, entries[1].pk, entries[2].pk]
        assert position_of(join_waitlist(learner_id=learner_for(full).pk, cohort_id=full.pk, now=utc_now())) == 4

    def test_decides_who_gets_the_next_place(self, full: Cohort) -> None:
        waiting = [learner_for(full), learner_for(full)]
        first, second = (join_waitlist(learner_id=each.pk, cohort_id=full.pk, now=utc_now()) for each in waiting)
        reorder_entry(entry_id=second.pk, position=1, reason="Sibling is in the cohort")

        change_capacity(cohort_id=full.pk, max_enrollment=2, now=utc_now())

        assert line(full) == [(second.learner_id, "offered"), (first.learner_id, "waiting")]

    def test_without_a_reason_is_refused(self, full: Cohort) -> None:
        entries = [join_waitlist(learner_id=learner_for(full).pk, cohort_id=full.pk, now=utc_now()) for _ in range(2)]

        with pytest.raises(Invalid):
            reorder_entry(entry_id=entries[1].pk, position=1, reason=" ")

        assert [position_of(entry) for entry in entries] == [1, 2]
