"""The guards against overlapping sessions and against giving a seat back twice, each with the effect of its absence."""

import datetime as dt
from typing import Any

import pytest
from django.urls import reverse

from accounts.models import Learner, StaffTask, Workspace
from accounts.tests.factories import LearnerFactory
from backoffice import actions
from backoffice.tests.staff_client import StaffClient, said
from cohorts.errors import SessionFull, StepNotBooked, TimeConflict, TooLateToChange
from cohorts.learning import booking
from cohorts.learning.attendance import mark_attended
from cohorts.learning.booking import Selection, book_sessions, cancel_booking, swap_booking
from cohorts.locks import lock_package_row
from cohorts.models import ClassSession, Cohort, CohortSession, StepProgress, StudentPackage, WaitlistEntry
from cohorts.sale.opening import change_capacity
from cohorts.sale.transfer import move_package
from cohorts.sale.waitlist import end_lines_of_owners, expire_due_offers, join_waitlist
from cohorts.tests.breaches import breaches
from cohorts.tests.factories import CohortFactory, buy_on_rows, cohort_with
from cohorts.tests.purchases import state
from cohorts.tests.staff_pages import begin_now, cohort_in
from core.clock import utc_now
from enrollments.tests.factories import STAFF

pytestmark = pytest.mark.django_db


def session(cohort: Cohort, order: int, number: int = 0) -> CohortSession:
    offered = CohortSession.objects.filter(cohort=cohort, step__order=order)
    return offered.select_related("class_session").order_by("pk")[number]


def choice(row: CohortSession) -> Selection:
    return Selection(row.step_id, row.option_id)


def meet_together(*rows: CohortSession) -> None:
    """Move these to the time of the first."""
    first = rows[0].class_session
    ClassSession.objects.filter(pk__in=[row.class_session_id for row in rows]).update(
        starts_at=first.starts_at, ends_at=first.ends_at
    )


def meet_apart(cohort: Cohort, hours: int) -> None:
    for row in ClassSession.objects.filter(cohort_sessions__cohort=cohort):
        row.starts_at += dt.timedelta(hours=hours)
        row.ends_at += dt.timedelta(hours=hours)
        row.save()


def statuses(package: StudentPackage) -> list[str]:
    return list(package.progress.order_by("step__order").values_list("status", flat=True))


def two_courses(**second: Any) -> tuple[StudentPackage, Cohort, Learner]:
    """Return a learner's course that meets on Tuesdays, and a cohort of another course that meets at the same hour."""
    cohort = cohort_with(options=(1,))
    other = cohort_with(**{"options": (2,), "instance__workspace": cohort.instance.workspace, **second})
    learner = LearnerFactory(workspace=cohort.instance.workspace)
    package = buy_on_rows(cohort, learner)
    meet_together(session(cohort, 1), session(other, 1))
    return package, other, learner


class TestASwap:
    def test_into_a_session_that_overlaps_another_step_is_refused_and_changes_nothing(self) -> None:
        cohort = cohort_with(options=(1, 2))
        package = buy_on_rows(cohort)
        good, clashing = session(cohort, 2, 0), session(cohort, 2, 1)
        book_sessions(package_id=package.pk, selections=[choice(good)], now=utc_now())
        meet_together(session(cohort, 1), clashing)
        before = state()

        with pytest.raises(TimeConflict) as refusal:
            swap_booking(package_id=package.pk, step_id=good.step_id, option_id=clashing.option_id, now=utc_now())

        assert refusal.value.step_ids == (session(cohort, 1).step_id, good.step_id)
        assert state() == before

    def test_into_a_session_at_the_time_of_the_one_it_gives_up_is_no_conflict(self) -> None:
        cohort = cohort_with(options=(2,))
        package = buy_on_rows(cohort)
        first, second = session(cohort, 1, 0), session(cohort, 1, 1)
        book_sessions(package_id=package.pk, selections=[choice(first)], now=utc_now())
        meet_together(first, second)

        swap_booking(package_id=package.pk, step_id=first.step_id, option_id=second.option_id, now=utc_now())

        assert package.progress.get().class_session_id == second.class_session_id
        assert breaches() == set()

    def test_into_a_full_session_keeps_the_old_seat(self) -> None:
        cohort = cohort_with(options=(2,))
        package = buy_on_rows(cohort)
        first, full = session(cohort, 1, 0), session(cohort, 1, 1)
        book_sessions(package_id=package.pk, selections=[choice(first)], now=utc_now())
        ClassSession.objects.filter(pk=full.class_session_id).update(max_students=0)
        before = state()

        with pytest.raises(SessionFull):
            swap_booking(package_id=package.pk, step_id=first.step_id, option_id=full.option_id, now=utc_now())

        assert state() == before

    @pytest.mark.parametrize("change", ["swap", "cancel"])
    def test_or_a_cancellation_is_possible_to_the_hour_and_not_after_it(self, change: str) -> None:
        cohort = cohort_with(options=(2,))
        package = buy_on_rows(cohort)
        first, second = session(cohort, 1, 0), session(cohort, 1, 1)
        book_sessions(package_id=package.pk, selections=[choice(first)], now=utc_now())
        limit = first.class_session.starts_at - dt.timedelta(hours=24)

        def make_change(now: dt.datetime) -> None:
            if change == "swap":
                swap_booking(package_id=package.pk, step_id=first.step_id, option_id=second.option_id, now=now)
            else:
                cancel_booking(package_id=package.pk, step_id=first.step_id, now=now)

        with pytest.raises(TooLateToChange):
            make_change(limit + dt.timedelta(seconds=1))
        unchanged = package.progress.get().class_session_id
        make_change(limit)

        assert unchanged == first.class_session_id
        assert package.progress.get().class_session_id != first.class_session_id


class TestTwoCourses:
    def test_at_once_can_not_both_be_booked(self) -> None:
        _, other, learner = two_courses()
        second = buy_on_rows(other, learner)
        before = state()

        with pytest.raises(TimeConflict):
            book_sessions(package_id=second.pk, selections=[choice(session(other, 1, 0))], now=utc_now())

        assert state() == before

    def test_of_two_learners_can(self) -> None:
        _, other, _ = two_courses()
        second = buy_on_rows(other)

        book_sessions(package_id=second.pk, selections=[choice(session(other, 1, 0))], now=utc_now())

        assert statuses(second) == ["BOOKED"]

    def test_can_not_be_swapped_into_one_hour(self) -> None:
        _, other, learner = two_courses()
        second = buy_on_rows(other, learner)
        book_sessions(package_id=second.pk, selections=[choice(session(other, 1, 1))], now=utc_now())
        before = state()

        with pytest.raises(TimeConflict):
            swap_booking(
                package_id=second.pk,
                step_id=session(other, 1).step_id,
                option_id=session(other, 1, 0).option_id,
                now=utc_now(),
            )

        assert state() == before

    def test_at_once_are_not_booked_by_the_purchase_itself(self) -> None:
        _, other, learner = two_courses(options=(1,))

        second = buy_on_rows(other, learner)

        assert statuses(second) == ["UNBOOKED"]
        assert session(other, 1).class_session.booked_count == 0
        task = StaffTask.objects.get(kind="only_session_overlaps")
        assert task.subject == f"package:{second.pk}/step:{session(other, 1).step_id}"
        assert breaches() == set()

    def test_one_after_the_other_are(self) -> None:
        _, other, learner = two_courses(options=(1,))
        meet_apart(other, 1)

        assert statuses(buy_on_rows(other, learner)) == ["BOOKED"]
        assert not StaffTask.objects.filter(kind="only_session_overlaps").exists()

    def test_at_once_are_not_booked_by_a_move(self) -> None:
        _, other, learner = two_courses(options=(1,))
        apart = CohortFactory(instance=other.instance, start_date=other.start_date + dt.timedelta(weeks=3))
        second = buy_on_rows(apart, learner)

        move_package(package_id=second.pk, cohort_id=other.pk, now=utc_now())

        assert statuses(second) == ["UNBOOKED"]
        assert StaffTask.objects.filter(kind="only_session_overlaps").count() == 1
        assert breaches() == set()


@pytest.mark.sqlite
class TestTwoStepsOfOneCourse:
    def test_at_once_are_not_both_booked_by_the_purchase(self) -> None:
        cohort = cohort_with(options=(1, 1))
        meet_together(session(cohort, 1), session(cohort, 2))

        package = buy_on_rows(cohort)

        assert sorted(statuses(package)) == ["BOOKED", "UNBOOKED"]
        assert StaffTask.objects.filter(kind="only_session_overlaps").count() == 1


class TestACancellation:
    @pytest.mark.unordered_locks  # somebody else's change, made within the transaction
    @pytest.mark.parametrize("change", ["cancel", "swap"])
    def test_that_meets_an_attendance_mark_gives_no_seat_back(
        self, monkeypatch: pytest.MonkeyPatch, change: str
    ) -> None:
        """The mark is made between reading the step and changing it."""
        cohort = cohort_with(options=(2,))
        package = buy_on_rows(cohort)
        first, second = session(cohort, 1, 0), session(cohort, 1, 1)
        book_sessions(package_id=package.pk, selections=[choice(first)], now=utc_now())
        row, hold = package.progress.get(), lock_package_row

        def mark_then_hold(package_id: int) -> None:
            StepProgress.objects.filter(pk=row.pk).update(status="COMPLETED", completed_at=utc_now())
            hold(package_id)

        monkeypatch.setattr(booking, "lock_package_row", mark_then_hold)

        def make_change() -> None:
            if change == "cancel":
                cancel_booking(package_id=package.pk, step_id=first.step_id, now=utc_now())
            else:
                swap_booking(package_id=package.pk, step_id=first.step_id, option_id=second.option_id, now=utc_now())

        with pytest.raises(StepNotBooked):
            make_change()

        assert ClassSession.objects.get(pk=first.class_session_id).booked_count == 1
        assert ClassSession.objects.get(pk=second.class_session_id).booked_count == 0

    def test_of_an_attended_step_is_refused(self) -> None:
        package = buy_on_rows(cohort_with(options=(1,)))
        row = package.progress.get()
        mark_attended(progress_id=row.pk, actor=STAFF, now=utc_now())
        before = state()

        with pytest.raises(StepNotBooked):
            cancel_booking(package_id=package.pk, step_id=row.step_id, is_by_staff=True, now=utc_now())

        assert state() == before


@pytest.mark.sqlite
class TestMarkingInBulk:
    @pytest.mark.parametrize(("limit", "marked"), [(1, 0), (2, 2)])
    def test_takes_so_many_rows_and_of_more_none(
        self, workspace: Workspace, reviewer: StaffClient, monkeypatch: pytest.MonkeyPatch, limit: int, marked: int
    ) -> None:
        monkeypatch.setattr(actions, "BULK_LIMIT", limit)
        cohort = cohort_in(workspace, options=(1,))
        rows = [buy_on_rows(cohort).progress.get() for _ in range(2)]
        begin_now(ClassSession.objects.get())
        form = {"action": "attended_selected", "_selected_action": [row.pk for row in rows], "_confirmed": "1"}

        response = reviewer.confirm(reverse("admin:cohorts_stepprogress_changelist"), form)

        assert StepProgress.objects.filter(status="COMPLETED").count() == marked
        assert said(response)[0] == ("Attended: 2 done." if marked else "Select at most 1 at a time.")


class TestWhoBuysAnotherCohort:
    @pytest.fixture
    def offered(self) -> tuple[Cohort, Learner, Learner]:
        """Return a place that is offered to a learner, with another one next in line."""
        cohort = cohort_with(options=(1,), max_enrollment=1)
        buy_on_rows(cohort)
        first, second = LearnerFactory.create_batch(2, workspace=cohort.instance.workspace)
        for learner in (first, second):
            join_waitlist(learner_id=learner.pk, cohort_id=cohort.pk, now=utc_now())
        change_capacity(cohort_id=cohort.pk, max_enrollment=2, now=utc_now())
        return cohort, first, second

    @pytest.mark.sqlite
    def test_leaves_the_offer_to_the_next_in_line(self, offered: tuple[Cohort, Learner, Learner]) -> None:
        cohort, first, second = offered
        buy_on_rows(
            CohortFactory(instance=cohort.instance, start_date=cohort.start_date + dt.timedelta(weeks=2)), first
        )

        left = [end_lines_of_owners(now=utc_now()), end_lines_of_owners(now=utc_now())]

        line = WaitlistEntry.objects.filter(cohort=cohort).order_by("pk").values_list("learner", "status")
        assert left == [1, 0]
        assert list(line) == [(first.pk, "declined"), (second.pk, "offered")]
        assert breaches() == set()

    def test_of_another_course_keeps_it(self, offered: tuple[Cohort, Learner, Learner]) -> None:
        cohort, first, _ = offered
        buy_on_rows(cohort_with(options=(1,), instance__workspace=cohort.instance.workspace), first)

        assert end_lines_of_owners(now=utc_now()) == 0
        assert expire_due_offers(now=utc_now()) == 0
