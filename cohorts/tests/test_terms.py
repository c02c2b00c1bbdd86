"""Dates, capacity, moving, and attendance."""

import datetime as dt

import pytest
from django.db import IntegrityError, transaction

from accounts.tests.factories import LearnerFactory
from billing.checkout import cancel_checkout
from cohorts.course.scheduling import clone_cohort, meeting_date, meeting_times, schedule_cohort
from cohorts.errors import CapacityBelowUse, CohortFull, StepNotBooked, TermTooShort
from cohorts.learning.attendance import mark_attended, mark_missed
from cohorts.learning.booking import Selection, book_sessions
from cohorts.models import (
    ClassSession,
    Cohort,
    CohortPlace,
    CohortSession,
    StepProgress,
    StudentPackage,
    WaitlistEntry,
)
from cohorts.sale.opening import change_capacity
from cohorts.sale.transfer import move_package
from cohorts.sale.waitlist import join_waitlist
from cohorts.states import DayOfWeek
from cohorts.tests.factories import CohortFactory, GroupClassFactory, buy, cohort_with, start
from core.clock import utc_now
from core.errors import Invalid
from enrollments.tests.factories import STAFF
from events.models import OutboxEvent
from sandbox.testing import SandboxProcess

pytestmark = pytest.mark.django_db(transaction=True)


class TestAMeeting:
    @pytest.mark.parametrize(
        ("day_of_week", "step", "expected"),
        [
            (DayOfWeek.SUNDAY, 1, dt.date(2026, 9, 6)),
            (DayOfWeek.MONDAY, 1, dt.date(2026, 9, 7)),
            (DayOfWeek.WEDNESDAY, 1, dt.date(2026, 9, 2)),
            (DayOfWeek.TUESDAY, 1, dt.date(2026, 9, 8)),
            (DayOfWeek.WEDNESDAY, 3, dt.date(2026, 9, 16)),
        ],
    )
    def test_of_step_n_is_in_the_cohort_s_nth_week(self, day_of_week: int, step: int, expected: dt.date) -> None:
        cohort = CohortFactory.build(start_date=dt.date(2026, 9, 2), end_date=dt.date(2026, 12, 1), instance=None)
        group_class = GroupClassFactory.build(day_of_week=day_of_week, workspace=None)

        assert meeting_date(group_class=group_class, cohort=cohort, step_order=step) == expected

    def test_after_the_cohort_s_end_is_refused(self) -> None:
        cohort = CohortFactory.build(start_date=dt.date(2026, 9, 2), end_date=dt.date(2026, 9, 7), instance=None)
        group_class = GroupClassFactory.build(day_of_week=DayOfWeek.TUESDAY, workspace=None)

        with pytest.raises(TermTooShort, match="would meet on 2026-09-08"):
            meeting_date(group_class=group_class, cohort=cohort, step_order=1)

    def test_keeps_its_wall_clock_time_across_daylight_saving(self) -> None:
        group_class = GroupClassFactory.build(
            start_time=dt.time(17), end_time=dt.time(18), timezone="America/Chicago", workspace=None
        )

        summer, _ = meeting_times(group_class=group_class, day=dt.date(2026, 10, 27))
        winter, _ = meeting_times(group_class=group_class, day=dt.date(2026, 11, 3))

        assert summer == dt.datetime(2026, 10, 27, 22, tzinfo=dt.UTC)
        assert winter == dt.datetime(2026, 11, 3, 23, tzinfo=dt.UTC)


class TestSchedulingACohort:
    def test_gives_each_option_a_session_once(self) -> None:
        cohort = cohort_with(options=(1, 3))

        again = schedule_cohort(cohort_id=cohort.pk)

        assert again == []
        assert CohortSession.objects.filter(cohort=cohort).count() == 4

    def test_shares_meetings_between_cohorts_of_the_same_weeks(self) -> None:
        first = cohort_with(options=(1, 2))
        second = CohortFactory(
            instance=first.instance, start_date=first.start_date, end_date=first.end_date, max_enrollment=3
        )

        schedule_cohort(cohort_id=second.pk)

        assert ClassSession.objects.count() == 3
        assert CohortSession.objects.count() == 6

    def test_that_is_too_short_schedules_nothing(self) -> None:
        model = cohort_with(options=(1, 1, 1))
        short = CohortFactory(
            instance=model.instance,
            start_date=model.start_date,
            end_date=model.start_date + dt.timedelta(days=10),
            scheduled=False,
        )

        with pytest.raises(TermTooShort):
            schedule_cohort(cohort_id=short.pk)

        assert short.sessions.count() == 0

    def test_for_the_next_term_shifts_everything(self) -> None:
        deadline = dt.datetime(2026, 10, 20, 4, 59, tzinfo=dt.UTC)  # 23:59 in Chicago's summer
        model = cohort_with(
            options=(1, 2),
            start_date=dt.date(2026, 10, 21),
            end_date=dt.date(2026, 12, 16),
            enrollment_deadline=deadline,
            max_enrollment=7,
        )

        clone = clone_cohort(cohort_id=model.pk, name="Winter", start_date=dt.date(2027, 1, 13))

        assert (clone.end_date, clone.max_enrollment, clone.is_active) == (dt.date(2027, 3, 10), 7, False)
        assert clone.enrollment_deadline == dt.datetime(2027, 1, 12, 5, 59, tzinfo=dt.UTC)
        assert clone.sessions.count() == 3
        assert (clone.current_enrollment, clone.held_places) == (0, 0)


class TestCapacity:
    def test_can_be_lowered_to_what_is_in_use(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with(max_enrollment=5)
        buy(stripe, cohort)
        start(cohort)

        changed = change_capacity(cohort_id=cohort.pk, max_enrollment=2, now=utc_now())

        assert (changed.max_enrollment, changed.places_left) == (2, 0)

    def test_below_use_is_refused_and_nothing_changed(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with(max_enrollment=5)
        buy(stripe, cohort)
        start(cohort)

        with pytest.raises(CapacityBelowUse, match="can't go below 2"):
            change_capacity(cohort_id=cohort.pk, max_enrollment=1, now=utc_now())

        assert Cohort.objects.get().max_enrollment == 5

    def test_below_use_is_impossible_even_without_the_guard(self, stripe: SandboxProcess) -> None:
        buy(stripe, cohort_with(max_enrollment=5))

        with pytest.raises(IntegrityError, match="cohort_never_oversold"), transaction.atomic():
            Cohort.objects.update(max_enrollment=0)


def offered_elsewhere(stripe: SandboxProcess) -> tuple[Cohort, StudentPackage]:
    """Return a learner who was offered a place in one cohort and then bought another's."""
    old = cohort_with(options=(1,))
    new = CohortFactory(instance=old.instance, max_enrollment=1)
    learner = LearnerFactory(workspace=old.instance.workspace)
    paying = start(new)
    join_waitlist(learner_id=learner.pk, cohort_id=new.pk, now=utc_now())
    cancel_checkout(checkout_id=paying.pk, now=utc_now())
    return new, buy(stripe, old, learner)


class TestMovingALearner:
    def test_takes_the_place_along(self, stripe: SandboxProcess) -> None:
        old = cohort_with(options=(1, 2), max_enrollment=1)
        new = CohortFactory(instance=old.instance, max_enrollment=1, start_date=old.start_date + dt.timedelta(weeks=2))
        schedule_cohort(cohort_id=new.pk)
        package = buy(stripe, old)

        moved = move_package(package_id=package.pk, cohort_id=new.pk, now=utc_now())

        old.refresh_from_db()
        new.refresh_from_db()
        assert (old.current_enrollment, new.current_enrollment) == (0, 1)
        assert moved.name == f"{new.instance.program.code} - {new.name}"
        assert list(CohortPlace.objects.order_by("pk").values_list("status", flat=True)) == ["released", "taken"]
        booked = StepProgress.objects.get(package=package, status="BOOKED")
        assert booked.class_session in ClassSession.objects.filter(cohort_sessions__cohort=new)
        assert sum(ClassSession.objects.values_list("booked_count", flat=True)) == 1

    def test_to_a_full_cohort_is_refused_and_changes_nothing(self, stripe: SandboxProcess) -> None:
        old = cohort_with(options=(1,))
        new = CohortFactory(instance=old.instance, max_enrollment=0)
        package = buy(stripe, old)

        with pytest.raises(CohortFull):
            move_package(package_id=package.pk, cohort_id=new.pk, now=utc_now())

        package.refresh_from_db()
        assert package.cohort == old
        assert StepProgress.objects.get(package=package).status == "BOOKED"
        assert sum(ClassSession.objects.values_list("booked_count", flat=True)) == 1

    def test_where_the_waiting_list_offers_them_a_place_takes_that_one(self, stripe: SandboxProcess) -> None:
        new, package = offered_elsewhere(stripe)

        moved = move_package(package_id=package.pk, cohort_id=new.pk, now=utc_now())

        new.refresh_from_db()
        entry = WaitlistEntry.objects.get()
        assert (new.current_enrollment, new.held_places) == (1, 0)
        assert (entry.status, moved.place_id) == ("accepted", entry.place_id)
        assert moved.place.enrollment_id == package.enrollment_id
        assert OutboxEvent.objects.filter(type="place.taken", aggregate=f"place:{moved.place_id}").count() == 1

    def test_where_they_are_paying_for_a_place_is_refused(self, stripe: SandboxProcess) -> None:
        """They bought elsewhere while Stripe had not yet ended the checkout that was given up."""
        old = cohort_with(options=(1,))
        new = CohortFactory(instance=old.instance)
        learner = LearnerFactory(workspace=old.instance.workspace)
        start(new, learner)
        package = buy(stripe, old, learner)

        with pytest.raises(Invalid, match="still open"):
            move_package(package_id=package.pk, cohort_id=new.pk, now=utc_now())

        package.refresh_from_db()
        new.refresh_from_db()
        assert package.cohort == old
        assert (new.current_enrollment, new.held_places) == (0, 1)

    def test_to_another_course_is_refused(self, stripe: SandboxProcess) -> None:
        package = buy(stripe, cohort_with(options=(1,)))

        with pytest.raises(Invalid):
            move_package(package_id=package.pk, cohort_id=cohort_with(options=(1,)).pk, now=utc_now())

        assert CohortPlace.objects.count() == 1


class TestAttendance:
    def test_of_every_required_step_completes_the_course(self, stripe: SandboxProcess) -> None:
        cohort = cohort_with(options=(1, 2))
        package = buy(stripe, cohort)
        choice = CohortSession.objects.filter(cohort=cohort, step__order=2).first()
        assert choice is not None
        book_sessions(package_id=package.pk, selections=[Selection(choice.step_id, choice.option_id)], now=utc_now())
        first, second = package.progress.order_by("step__order")

        mark_attended(progress_id=first.pk, actor=STAFF, now=utc_now())
        package.enrollment.refresh_from_db()
        assert package.enrollment.participation_status == "active"
        mark_attended(progress_id=second.pk, actor=STAFF, now=utc_now())

        package.enrollment.refresh_from_db()
        assert package.enrollment.participation_status == "completed"

    def test_of_a_step_without_a_session_is_refused(self, stripe: SandboxProcess) -> None:
        package = buy(stripe, cohort_with(options=(2,)))

        with pytest.raises(StepNotBooked):
            mark_attended(progress_id=package.progress.get().pk, actor=STAFF, now=utc_now())

        assert package.progress.get().status == "UNBOOKED"

    def test_marked_by_mistake_can_be_corrected(self, stripe: SandboxProcess) -> None:
        package = buy(stripe, cohort_with(options=(1,)))
        row = package.progress.get()

        mark_missed(progress_id=row.pk, actor=STAFF, now=utc_now())
        mark_attended(progress_id=row.pk, actor=STAFF, now=utc_now())

        row.refresh_from_db()
        assert row.status == "COMPLETED"
        assert row.completed_at is not None
