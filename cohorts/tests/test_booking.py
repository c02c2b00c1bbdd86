import datetime as dt

import pytest
from django.db import IntegrityError, transaction
from django.db.models import F

from accounts.tests.factories import LearnerFactory
from cohorts.errors import (
    PackageNotFound,
    SessionFull,
    StepAlreadyBooked,
    StepNotBooked,
    TimeConflict,
    TooLateToChange,
)
from cohorts.learning.booking import Selection, book_sessions, cancel_booking, swap_booking
from cohorts.locks import lock_place_subject
from cohorts.models import ClassSession, Cohort, CohortSession, CourseStep, StepProgress, StudentPackage
from cohorts.sale.fulfilment import revoke_package
from cohorts.tests.factories import buy_on_rows, cohort_with
from core.clock import utc_now
from core.errors import Invalid
from events.models import OutboxEvent
from sandbox.testing import SandboxProcess

pytestmark = pytest.mark.django_db(transaction=True)


def choices(cohort: Cohort, order: int) -> list[Selection]:
    """Return the options of a step, soonest first."""
    rows = CohortSession.objects.filter(cohort=cohort, step__order=order).order_by("class_session__starts_at")
    return [Selection(row.step_id, row.option_id) for row in rows]


def session_of(cohort: Cohort, selection: Selection) -> ClassSession:
    return CohortSession.objects.get(cohort=cohort, option=selection.option_id).class_session


def statuses(package: StudentPackage) -> list[str]:
    return list(package.progress.order_by("step__order").values_list("status", flat=True))


def seats_taken() -> int:
    return sum(ClassSession.objects.values_list("booked_count", flat=True))


class TestBooking:
    def test_takes_a_seat_in_the_chosen_session(self) -> None:
        cohort = cohort_with(options=(1, 2))
        package = buy_on_rows(cohort)
        chosen = choices(cohort, 2)[1]

        booked = book_sessions(package_id=package.pk, selections=[chosen], now=utc_now())

        assert (booked.auto_booked, booked.manual_selections) == ([], [chosen.step_id])
        assert [row.step_id for row in booked.booked] == [chosen.step_id]
        assert statuses(package) == ["BOOKED", "BOOKED"]
        assert session_of(cohort, chosen).booked_count == 1
        assert seats_taken() == 2

    def test_books_steps_without_a_choice_along(self) -> None:
        cohort = cohort_with(options=(1, 2))
        package = buy_on_rows(cohort)
        only = CourseStep.objects.get(order=1)
        cancel_booking(package_id=package.pk, step_id=only.pk, now=utc_now())

        booked = book_sessions(package_id=package.pk, selections=[choices(cohort, 2)[0]], now=utc_now())

        assert booked.auto_booked == [only.pk]
        assert statuses(package) == ["BOOKED", "BOOKED"]

    def test_leaves_a_step_without_a_choice_alone_when_its_session_is_full(self) -> None:
        cohort = cohort_with(options=(1, 2), seats=3)
        package = buy_on_rows(cohort)
        cancel_booking(package_id=package.pk, step_id=CourseStep.objects.get(order=1).pk, now=utc_now())
        ClassSession.objects.filter(cohort_sessions__step__order=1).update(booked_count=F("max_students"))

        booked = book_sessions(package_id=package.pk, selections=[choices(cohort, 2)[0]], now=utc_now())

        assert booked.auto_booked == []
        assert statuses(package) == ["UNBOOKED", "BOOKED"]

    def test_leaves_a_step_without_a_choice_alone_when_it_overlaps(self) -> None:
        cohort = cohort_with(options=(1, 2))
        package = buy_on_rows(cohort)
        cancel_booking(package_id=package.pk, step_id=CourseStep.objects.get(order=1).pk, now=utc_now())
        chosen = choices(cohort, 2)[0]
        hour = session_of(cohort, chosen)
        ClassSession.objects.filter(cohort_sessions__step__order=1).update(
            starts_at=hour.starts_at, ends_at=hour.ends_at
        )

        booked = book_sessions(package_id=package.pk, selections=[chosen], now=utc_now())

        assert (booked.auto_booked, booked.manual_selections) == ([], [chosen.step_id])
        assert statuses(package) == ["UNBOOKED", "BOOKED"]

    def test_of_nothing_changes_nothing(self) -> None:
        cohort = cohort_with(options=(2, 2))
        package = buy_on_rows(cohort)

        booked = book_sessions(package_id=package.pk, selections=[], now=utc_now())

        assert booked.booked == []
        assert statuses(package) == ["UNBOOKED", "UNBOOKED"]

    def test_into_a_full_class_books_none_of_the_choices(self) -> None:
        cohort = cohort_with(options=(2, 2), seats=1)
        first, second = buy_on_rows(cohort), buy_on_rows(cohort)
        wanted = [choices(cohort, 1)[0], choices(cohort, 2)[0]]
        book_sessions(package_id=first.pk, selections=[wanted[1]], now=utc_now())
        events = OutboxEvent.objects.count()

        with pytest.raises(SessionFull) as refusal:
            book_sessions(package_id=second.pk, selections=wanted, now=utc_now())

        assert refusal.value.step_ids == (wanted[1].step_id,)
        assert statuses(second) == ["UNBOOKED", "UNBOOKED"]
        assert seats_taken() == 1
        assert OutboxEvent.objects.count() == events

    def test_of_a_booked_step_is_refused(self) -> None:
        cohort = cohort_with(options=(2,))
        package = buy_on_rows(cohort)
        book_sessions(package_id=package.pk, selections=[choices(cohort, 1)[0]], now=utc_now())

        with pytest.raises(StepAlreadyBooked):
            book_sessions(package_id=package.pk, selections=[choices(cohort, 1)[1]], now=utc_now())

        assert seats_taken() == 1

    def test_of_an_option_of_another_step_or_cohort_is_refused_by_name(self) -> None:
        cohort, other = cohort_with(options=(2, 2)), cohort_with(options=(2, 2))
        package = buy_on_rows(cohort)
        good, wrong_step = choices(cohort, 1)[0], choices(cohort, 2)[0]
        bad = [Selection(good.step_id, wrong_step.option_id), choices(other, 1)[0], Selection(good.step_id, 10**9)]

        for selection in bad:
            with pytest.raises(Invalid) as refusal:
                book_sessions(package_id=package.pk, selections=[wrong_step, selection], now=utc_now())
            assert refusal.value.errors[0].field == "selections[1].courseStepOptionId"

        assert seats_taken() == 0
        assert statuses(package) == ["UNBOOKED", "UNBOOKED"]

    def test_of_a_session_that_has_begun_is_refused(self) -> None:
        cohort = cohort_with(options=(2,))
        package = buy_on_rows(cohort)
        chosen = choices(cohort, 1)[0]

        with pytest.raises(Invalid):
            book_sessions(package_id=package.pk, selections=[chosen], now=session_of(cohort, chosen).starts_at)

        assert seats_taken() == 0

    def test_of_two_sessions_at_once_is_refused(self) -> None:
        cohort = cohort_with(options=(2, 2))
        package = buy_on_rows(cohort)
        early, late = choices(cohort, 1)[0], choices(cohort, 2)[0]
        moment = session_of(cohort, early)
        ClassSession.objects.filter(pk=session_of(cohort, late).pk).update(
            starts_at=moment.starts_at + dt.timedelta(minutes=30), ends_at=moment.ends_at + dt.timedelta(minutes=30)
        )

        with pytest.raises(TimeConflict) as refusal:
            book_sessions(package_id=package.pk, selections=[early, late], now=utc_now())
        book_sessions(package_id=package.pk, selections=[early], now=utc_now())
        with pytest.raises(TimeConflict):
            book_sessions(package_id=package.pk, selections=[late], now=utc_now())

        assert set(refusal.value.step_ids) == {early.step_id, late.step_id}
        assert seats_taken() == 1

    def test_right_after_another_session_is_no_conflict(self) -> None:
        cohort = cohort_with(options=(2, 2))
        package = buy_on_rows(cohort)
        early, late = choices(cohort, 1)[0], choices(cohort, 2)[0]
        moment = session_of(cohort, early)
        ClassSession.objects.filter(pk=session_of(cohort, late).pk).update(
            starts_at=moment.ends_at, ends_at=moment.ends_at + dt.timedelta(hours=1)
        )

        book_sessions(package_id=package.pk, selections=[early, late], now=utc_now())

        assert statuses(package) == ["BOOKED", "BOOKED"]

    def test_for_a_revoked_package_is_not_found(self) -> None:
        cohort = cohort_with(options=(2,))
        package = buy_on_rows(cohort)
        with transaction.atomic():
            lock_place_subject(str(package.place_id))
            revoke_package(package_id=package.pk, reason="Test", now=utc_now())

        with pytest.raises(PackageNotFound):
            book_sessions(package_id=package.pk, selections=[choices(cohort, 1)[0]], now=utc_now())

        assert seats_taken() == 0

    def test_past_the_seats_is_impossible_even_without_the_guard(self, stripe: SandboxProcess) -> None:
        cohort_with(options=(2,), seats=1)

        with pytest.raises(IntegrityError, match="class_session_never_overbooked"), transaction.atomic():
            ClassSession.objects.update(booked_count=2)

    def test_holds_a_session_exactly_while_booked_even_without_the_guard(self) -> None:
        package = buy_on_rows(cohort_with(options=(2,)))

        with pytest.raises(IntegrityError, match="progress_session_iff_seated"), transaction.atomic():
            StepProgress.objects.filter(package=package).update(status="BOOKED")


class TestASharedMeeting:
    def test_of_two_cohorts_shares_its_seats(self) -> None:
        first = cohort_with(options=(2,), seats=1)
        second = Cohort.objects.create(
            instance=first.instance,
            name="Twin",
            start_date=first.start_date,
            end_date=first.end_date,
            max_enrollment=5,
            is_active=True,
        )
        for row in first.sessions.all():
            CohortSession.objects.create(
                cohort=second, step=row.step, option=row.option, class_session=row.class_session
            )
        ours, theirs = buy_on_rows(first), buy_on_rows(second)
        book_sessions(package_id=ours.pk, selections=[choices(first, 1)[0]], now=utc_now())

        with pytest.raises(SessionFull):
            book_sessions(package_id=theirs.pk, selections=[choices(second, 1)[0]], now=utc_now())

        assert seats_taken() == 1


class TestChangingABooking:
    def test_gives_the_seat_back(self) -> None:
        cohort = cohort_with(options=(2,))
        package = buy_on_rows(cohort)
        chosen = choices(cohort, 1)[0]
        book_sessions(package_id=package.pk, selections=[chosen], now=utc_now())

        cancel_booking(package_id=package.pk, step_id=chosen.step_id, now=utc_now())

        assert statuses(package) == ["UNBOOKED"]
        assert seats_taken() == 0

    def test_of_a_step_without_one_is_refused(self) -> None:
        cohort = cohort_with(options=(2,))
        package = buy_on_rows(cohort)

        with pytest.raises(StepNotBooked):
            cancel_booking(package_id=package.pk, step_id=choices(cohort, 1)[0].step_id, now=utc_now())

        assert seats_taken() == 0

    def test_is_possible_until_the_day_before(self) -> None:
        cohort = cohort_with(options=(2,))
        package = buy_on_rows(cohort)
        chosen = choices(cohort, 1)[0]
        book_sessions(package_id=package.pk, selections=[chosen], now=utc_now())
        starts_at = session_of(cohort, chosen).starts_at

        with pytest.raises(TooLateToChange):
            cancel_booking(
                package_id=package.pk, step_id=chosen.step_id, now=starts_at - dt.timedelta(hours=23, minutes=59)
            )
        assert seats_taken() == 1
        cancel_booking(package_id=package.pk, step_id=chosen.step_id, now=starts_at - dt.timedelta(hours=24))

        assert seats_taken() == 0

    def test_by_staff_is_possible_later(self) -> None:
        cohort = cohort_with(options=(2,))
        package = buy_on_rows(cohort)
        chosen = choices(cohort, 1)[0]
        book_sessions(package_id=package.pk, selections=[chosen], now=utc_now())

        cancel_booking(
            package_id=package.pk, step_id=chosen.step_id, now=session_of(cohort, chosen).starts_at, is_by_staff=True
        )

        assert seats_taken() == 0

    def test_to_another_session_moves_the_seat(self) -> None:
        cohort = cohort_with(options=(2,))
        package = buy_on_rows(cohort)
        old, new = choices(cohort, 1)
        book_sessions(package_id=package.pk, selections=[old], now=utc_now())

        row = swap_booking(package_id=package.pk, step_id=old.step_id, option_id=new.option_id, now=utc_now())

        assert row.class_session == session_of(cohort, new)
        assert (session_of(cohort, old).booked_count, session_of(cohort, new).booked_count) == (0, 1)

    def test_to_a_full_session_keeps_the_old_one(self) -> None:
        cohort = cohort_with(options=(2,), seats=1)
        ours, theirs = buy_on_rows(cohort), buy_on_rows(cohort)
        old, new = choices(cohort, 1)
        book_sessions(package_id=ours.pk, selections=[old], now=utc_now())
        book_sessions(package_id=theirs.pk, selections=[new], now=utc_now())

        with pytest.raises(SessionFull):
            swap_booking(package_id=ours.pk, step_id=old.step_id, option_id=new.option_id, now=utc_now())

        assert StepProgress.objects.get(package=ours).class_session == session_of(cohort, old)
        assert seats_taken() == 2


class TestAnotherLearner:
    def test_of_the_same_name_has_bookings_of_their_own(self) -> None:
        cohort = cohort_with(options=(1,))
        one = LearnerFactory(workspace=cohort.instance.workspace, first_name="Ana", last_name="Ruiz")
        two = LearnerFactory(workspace=cohort.instance.workspace, first_name="Ana", last_name="Ruiz")

        packages = [buy_on_rows(cohort, one), buy_on_rows(cohort, two)]

        assert [statuses(package) for package in packages] == [["BOOKED"], ["BOOKED"]]
        assert seats_taken() == 2
