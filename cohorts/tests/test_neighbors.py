"""A change of one row leaves its neighbor as it is: two in line, two offers, two steps, two cohorts."""

import datetime as dt
from typing import Any

import pytest
from django.db import transaction

from accounts.models import Learner
from accounts.tests.factories import LearnerFactory
from cohorts.errors import CohortFull, NotInLine
from cohorts.learning.attendance import excuse_step, withdraw_excuse
from cohorts.locks import lock_cohort
from cohorts.models import Cohort, CohortPlace, StepProgress, StudentPackage, WaitlistEntry
from cohorts.sale import waitlist
from cohorts.sale.places import can_be_taken, take_place
from cohorts.sale.waitlist import (
    end_lines_of_owners,
    end_lines_of_past_cohorts,
    expire_due_offers,
    leave_waitlist,
    position_of,
    reorder_entry,
    withdraw_renewed_offer,
)
from cohorts.tests.factories import CohortFactory, buy_on_rows, cohort_with
from cohorts.tests.places import counts
from core.clock import utc_now
from enrollments.tests.factories import STAFF
from events.models import OutboxEvent

pytestmark = pytest.mark.django_db

NOW = utc_now()
LATER = NOW + dt.timedelta(hours=3)


def in_line(cohort: Cohort, status: str = "waiting", *, rank: float = 1.0, **more: Any) -> WaitlistEntry:
    """Return somebody on a waiting list, in this state."""
    learner = more.pop("learner", None) or LearnerFactory(workspace=cohort.instance.workspace)
    return WaitlistEntry.objects.create(cohort=cohort, learner=learner, status=status, rank=rank, **more)


def held(cohort: Cohort, learner: Learner, *, until: dt.datetime = LATER) -> CohortPlace:
    """Return a place that the waiting list offers."""
    place = CohortPlace.objects.create(cohort=cohort, learner=learner, held_until=until)
    Cohort.objects.filter(pk=cohort.pk).update(held_places=Cohort.objects.get(pk=cohort.pk).held_places + 1)
    return place


def offered(cohort: Cohort, *, until: dt.datetime = LATER) -> WaitlistEntry:
    learner = LearnerFactory(workspace=cohort.instance.workspace)
    place = held(cohort, learner, until=until)
    return in_line(cohort, "offered", learner=learner, place=place, offered_at=NOW, offer_expires_at=until)


def states(*entries: WaitlistEntry) -> list[str]:
    return [WaitlistEntry.objects.get(pk=entry.pk).status for entry in entries]


def end(cohort: Cohort) -> None:
    """Move its last day into the past."""
    day = NOW.date() - dt.timedelta(days=3)
    Cohort.objects.filter(pk=cohort.pk).update(start_date=day, end_date=day)


class TestAPosition:
    def test_counts_who_waits_in_the_same_line_alone(self) -> None:
        cohort = CohortFactory()
        in_line(CohortFactory(), rank=1.0)
        in_line(cohort, "left", rank=1.0)
        in_line(cohort, rank=2.0)

        assert position_of(in_line(cohort, rank=3.0)) == 2


class TestReordering:
    @pytest.mark.sqlite
    def test_counts_who_waits_and_not_who_has_left(self) -> None:
        cohort = CohortFactory()
        gone, first, last = in_line(cohort, "left"), in_line(cohort, rank=2.0), in_line(cohort, rank=3.0)

        reorder_entry(entry_id=last.pk, position=2, reason="Asked to")

        assert WaitlistEntry.objects.get(pk=gone.pk).rank == 1.0
        assert list(WaitlistEntry.objects.filter(status="waiting").order_by("rank")) == [first, last]
        assert position_of(WaitlistEntry.objects.get(pk=last.pk)) == 2

    @pytest.mark.parametrize("status", ["offered", "accepted", "declined", "expired", "left"])
    def test_of_who_waits_no_more_is_refused(self, status: str) -> None:
        entry = in_line(CohortFactory(), status, rank=7.0)

        with pytest.raises(NotInLine):
            reorder_entry(entry_id=entry.pk, position=1, reason="Asked to")

        assert WaitlistEntry.objects.values_list("rank", "note").get() == (7.0, "")


class TestLeaving:
    @pytest.mark.parametrize("status", ["accepted", "declined", "expired", "left"])
    def test_a_line_that_one_is_in_no_more_is_refused(self, status: str) -> None:
        entry = in_line(CohortFactory(), status)

        with pytest.raises(NotInLine):
            leave_waitlist(learner_id=entry.learner_id, cohort_id=entry.cohort_id, now=utc_now())

        assert states(entry) == [status]
        assert not OutboxEvent.objects.exists()

    def test_one_line_keeps_the_place_in_another(self) -> None:
        kept = in_line(CohortFactory())
        leaving = in_line(CohortFactory(), learner=kept.learner)

        leave_waitlist(learner_id=kept.learner_id, cohort_id=leaving.cohort_id, now=utc_now())

        assert states(kept, leaving) == ["waiting", "left"]


class TestALineOfACohortThatIsOver:
    def test_ends_for_who_waits_and_for_nobody_else(self) -> None:
        cohort = CohortFactory()
        waiting, gone, kept = in_line(cohort), in_line(cohort, "left"), offered(cohort)
        end(cohort)

        ended = end_lines_of_past_cohorts(now=NOW)

        assert ended == 1
        assert states(waiting, gone, kept) == ["expired", "left", "offered"]

    def test_is_looked_at_once(self) -> None:
        cohort = CohortFactory()
        in_line(cohort, "left")
        end(cohort)

        assert end_lines_of_past_cohorts(now=NOW) == 0


class TestALineForACourseThatWasGivenBack:
    def test_goes_on(self) -> None:
        package = buy_on_rows(cohort_with(options=(1,)))
        StudentPackage.objects.update(revoked_at=NOW)
        other = CohortFactory(instance=package.cohort.instance)
        waiting = in_line(other, learner=package.learner)

        assert end_lines_of_owners(now=NOW) == 0
        assert states(waiting) == ["waiting"]


class TestAnOfferThatAnEarlierPaymentOverrides:
    @pytest.mark.unordered_locks  # its caller would have locked the cohort
    def test_leaves_every_other_hold_as_it_is(self) -> None:
        cohort, elsewhere = CohortFactory(), CohortFactory()
        mine = offered(cohort)
        beside, theirs = held(elsewhere, mine.learner), offered(cohort).place
        ended = CohortPlace.objects.create(cohort=cohort, learner=mine.learner, status="released", held_until=NOW)

        with transaction.atomic():
            withdraw_renewed_offer(place=ended, now=NOW)

        left = CohortPlace.objects.filter(status="held").order_by("pk")
        assert list(left) == [beside, theirs]
        assert Cohort.objects.get(pk=cohort.pk).held_places == 1

    @pytest.mark.sqlite
    def test_leaves_a_place_that_was_taken(self) -> None:
        cohort = CohortFactory()
        learner = LearnerFactory(workspace=cohort.instance.workspace)
        taken = CohortPlace.objects.create(cohort=cohort, learner=learner, status="taken", held_until=NOW)
        Cohort.objects.update(current_enrollment=1)
        ended = CohortPlace.objects.create(cohort=cohort, learner=learner, status="released", held_until=NOW)

        with transaction.atomic():
            withdraw_renewed_offer(place=ended, now=NOW)

        assert CohortPlace.objects.get(pk=taken.pk).status == "taken"


class TestAnOfferThatIsOver:
    @pytest.mark.sqlite
    def test_alone_is_ended(self) -> None:
        cohort = CohortFactory()
        over, running = offered(cohort, until=NOW), offered(cohort)

        assert expire_due_offers(now=NOW) == 1
        assert states(over, running) == ["expired", "offered"]

    @pytest.mark.unordered_locks  # somebody else's changes, made within the transaction
    def test_but_was_prolonged_before_the_sweep_had_its_cohort_goes_on(self, monkeypatch: pytest.MonkeyPatch) -> None:
        entry = offered(CohortFactory(), until=NOW)

        def lock_late(cohort_id: int) -> Cohort:
            CohortPlace.objects.update(held_until=LATER)
            return lock_cohort(cohort_id)

        monkeypatch.setattr(waitlist, "lock_cohort", lock_late)

        assert expire_due_offers(now=NOW) == 0
        assert states(entry) == ["offered"]
        assert CohortPlace.objects.get().status == "held"

    @pytest.mark.unordered_locks  # somebody else's changes, made within the transaction
    def test_but_was_declined_before_the_sweep_had_its_cohort_ends_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        entry = offered(CohortFactory(), until=NOW)

        def lock_late(cohort_id: int) -> Cohort:
            CohortPlace.objects.update(status="released")
            WaitlistEntry.objects.update(status="declined")
            Cohort.objects.update(held_places=0)
            return lock_cohort(cohort_id)

        monkeypatch.setattr(waitlist, "lock_cohort", lock_late)

        assert expire_due_offers(now=NOW) == 0
        assert states(entry) == ["declined"]
        assert Cohort.objects.get().held_places == 0


class TestTwoSteps:
    """Both steps of a package have two classes, so that nothing is booked automatically."""

    @pytest.fixture(autouse=True)
    def _buy(self) -> None:
        self.package = buy_on_rows(cohort_with(options=(2, 2, 2)))
        self.rows = list(self.package.progress.order_by("step__order"))

    def excuse(self, row: StepProgress) -> None:
        excuse_step(progress_id=row.pk, reason="Was ill", actor=STAFF, now=utc_now())

    def states(self) -> list[str]:
        return list(self.package.progress.order_by("step__order").values_list("status", flat=True))

    def test_of_which_one_is_excused_leave_the_other_to_do(self) -> None:
        self.excuse(self.rows[0])

        assert self.states() == ["EXCUSED", "UNBOOKED", "UNBOOKED"]

    def test_of_which_one_is_to_be_attended_after_all_leave_the_other_excused(self) -> None:
        for row in self.rows[:2]:
            self.excuse(row)

        withdraw_excuse(progress_id=self.rows[0].pk, now=utc_now())

        assert self.states() == ["UNBOOKED", "EXCUSED", "UNBOOKED"]


class TestAReleasedPlace:
    def released(self, cohort: Cohort, learner: Learner) -> CohortPlace:
        return CohortPlace.objects.create(
            cohort=cohort, learner=learner, status="released", held_until=NOW, released_at=NOW
        )

    def test_can_be_taken_if_its_own_cohort_has_room(self) -> None:
        full, free = CohortFactory(max_enrollment=1, current_enrollment=1), CohortFactory(max_enrollment=1)
        learner = LearnerFactory(workspace=free.instance.workspace)
        late, in_time = self.released(full, learner), self.released(free, learner)

        assert [can_be_taken(late), can_be_taken(in_time)] == [False, True]
        with pytest.raises(CohortFull):
            take_place(place=late, now=NOW)
        assert take_place(place=in_time, now=NOW).place_id == in_time.pk
        assert [counts(full), counts(free)] == [(1, 0), (1, 0)]
        assert CohortPlace.objects.get(pk=in_time.pk).taken_at == NOW

    def test_can_be_taken_by_who_has_another_elsewhere(self) -> None:
        cohort, elsewhere = CohortFactory(max_enrollment=3), CohortFactory(max_enrollment=3)
        learner, classmate = (LearnerFactory(workspace=cohort.instance.workspace) for _ in range(2))
        place = self.released(cohort, learner)
        held(elsewhere, learner)
        held(cohort, classmate)
        before = can_be_taken(place)

        held(cohort, learner)

        assert (before, can_be_taken(place)) == (True, False)
