"""Booking, scheduling, cloning, and taking attendance do what their previews said."""

import datetime as dt
from types import SimpleNamespace
from typing import Any

import pytest

from backoffice.display import staff_moment
from cohorts.admin.packages import BookingForm
from cohorts.admin.previews import foresee_attendance, foresee_bookings, foresee_clone, foresee_schedule
from cohorts.course.scheduling import clone_cohort, schedule_cohort
from cohorts.errors import SessionFull, TermTooShort
from cohorts.learning.attendance import mark_attended, mark_missed
from cohorts.learning.booking import Selection, book_sessions, cancel_booking
from cohorts.models import ClassSession, Cohort, StudentPackage
from cohorts.tests.factories import CohortFactory, buy_on_rows, cohort_with
from cohorts.tests.staff_pages import begin_now
from core.clock import utc_now
from core.errors import Invalid
from core.time_words import day
from enrollments.tests.factories import STAFF
from notifications.models import Notification

pytestmark = pytest.mark.django_db


def answers(**given: Any) -> Any:
    return SimpleNamespace(cleaned_data=given)


def choosing(**fields: Any) -> Any:
    """The form of *Book sessions*, filled in."""
    form: Any = SimpleNamespace(cleaned_data=fields)
    form.selections = lambda: BookingForm.selections(form)
    return form


class TestBookings:
    def test_take_the_seats_that_were_said_and_no_other(self) -> None:
        cohort = cohort_with(options=(2, 1), seats=3)
        package = buy_on_rows(cohort)
        first, second = package.progress.select_related("step").order_by("step__order")
        cancel_booking(package_id=package.pk, step_id=second.step_id, is_by_staff=True, now=utc_now())
        option = first.step.options.order_by("id")[1]

        told = foresee_bookings(package, choosing(**{f"step_{first.step_id}": str(option.pk)}))
        done = book_sessions(package_id=package.pk, selections=[Selection(first.step_id, option.pk)], now=utc_now())

        chosen, along = (row.seat for row in package.progress.order_by("step__order"))
        assert len(done.booked) == 2
        assert told.sentences == (
            f"A seat in {chosen} is taken: {chosen.seats_left} of 3 are left then.",
            "Booked along, as its step leaves no choice: "
            f"A seat in {along} is taken: {along.seats_left} of 3 are left then.",
        )
        assert told.mails == "The family gets a mail."
        assert Notification.objects.filter(kind="sessions_booked").count() == 1

    def test_leave_out_what_is_full_and_chosen_by_nobody(self) -> None:
        package = buy_on_rows(cohort_with(options=(2, 1)))
        only = package.progress.get(status="BOOKED")
        cancel_booking(package_id=package.pk, step_id=only.step_id, is_by_staff=True, now=utc_now())
        ClassSession.objects.filter(pk=only.class_session_id).update(max_students=0)
        Notification.objects.all().delete()

        told = foresee_bookings(package, choosing())
        done = book_sessions(package_id=package.pk, selections=[], now=utc_now())

        assert told.sentences == (f"Not booked, as no seat is left: {only.seat}.", "Nothing is booked.")
        assert (told.mails, done.booked, Notification.objects.count()) == ("No mail is sent.", [], 0)

    def test_are_refused_beforehand_as_afterward_where_the_chosen_session_is_full(self) -> None:
        package = buy_on_rows(cohort_with(options=(2,)))
        row = package.progress.select_related("step").get()
        option = row.step.options.order_by("id")[0]
        ClassSession.objects.update(max_students=0)

        with pytest.raises(SessionFull):
            foresee_bookings(package, choosing(**{f"step_{row.step_id}": str(option.pk)}))
        with pytest.raises(SessionFull):
            book_sessions(package_id=package.pk, selections=[Selection(row.step_id, option.pk)], now=utc_now())


class TestACalendar:
    @pytest.mark.unordered_locks  # those of the deletions that prepare it
    def test_gets_the_sessions_that_were_said_and_shares_those_that_were_said(self) -> None:
        cohort = cohort_with(options=(1, 2), name="Fall cohort")
        twin = CohortFactory(
            instance=cohort.instance, start_date=cohort.start_date, end_date=cohort.end_date, scheduled=False
        )
        ClassSession.objects.get(cohort_sessions__step__order=1).cohort_sessions.all().delete()
        ClassSession.objects.filter(cohort_sessions=None).delete()

        told = foresee_schedule(twin, answers()).sentences
        made = schedule_cohort(cohort_id=twin.pk)

        days = [row.class_session.date for row in made]
        assert told == (
            f"Sessions that are put on the calendar: 3, from {day(min(days))} to {day(max(days))}.",
            "Of these, held already for other cohorts, which share the seats: 2.",
        )
        assert (len(made), ClassSession.objects.count()) == (3, 3)
        assert sum(row.class_session.cohort_sessions.count() == 2 for row in made) == 2

    def test_that_is_too_short_is_refused_beforehand(self) -> None:
        cohort = cohort_with(options=(1, 1))
        cohort.sessions.all().delete()
        Cohort.objects.update(end_date=cohort.start_date)

        with pytest.raises(TermTooShort):
            foresee_schedule(Cohort.objects.get(), answers())

    def test_of_a_clone_is_as_was_said(self) -> None:
        cohort = cohort_with(options=(1, 2), max_enrollment=7, enrollment_deadline=utc_now() + dt.timedelta(7))
        asked: dict[str, Any] = {
            "name": "Spring cohort",
            "start_date": cohort.start_date + dt.timedelta(weeks=20),
            "instance": cohort.instance,
        }

        told = foresee_clone(cohort, answers(**asked)).sentences
        clone = clone_cohort(cohort_id=cohort.pk, **asked)

        days = [row.class_session.date for row in clone.sessions.select_related("class_session")]
        price = cohort.instance.price
        assert price is not None
        assert clone.enrollment_deadline is not None
        assert told == (
            f"Spring cohort runs {day(clone.start_date)} to {day(clone.end_date)} and is closed until you open it.",
            f"Places: {clone.max_enrollment}. Each costs {price.money}.",
            f"The enrollment deadline is {staff_moment(clone.enrollment_deadline, clone.timezone)}.",
            f"Sessions that are put on the calendar: {len(days)}, from {day(min(days))} to {day(max(days))}.",
        )
        assert (clone.max_enrollment, clone.is_active, len(days)) == (7, False, 3)
        with pytest.raises(Invalid):
            foresee_clone(cohort, answers(**asked))

    def test_of_a_clone_that_is_foreseen_stays_as_it_was(self) -> None:
        """Negative control: the preview does not save the cohort that it builds."""
        cohort = cohort_with(options=(1,))
        asked = {
            "name": "Spring",
            "start_date": cohort.start_date + dt.timedelta(weeks=20),
            "instance": cohort.instance,
        }
        before = (Cohort.objects.count(), ClassSession.objects.count())

        foresee_clone(cohort, answers(**asked))

        assert (Cohort.objects.count(), ClassSession.objects.count()) == before


class TestAttendance:
    def test_counts_and_completes_as_was_said(self) -> None:
        cohort = cohort_with(options=(1,))
        came, missed, corrected = (buy_on_rows(cohort) for _ in range(3))
        session = ClassSession.objects.get()
        begin_now(session)
        rows = {package: package.progress.get() for package in (came, missed, corrected)}
        mark_missed(progress_id=rows[corrected].pk, actor=STAFF, now=utc_now())
        present = [rows[came], rows[corrected]]

        told = foresee_attendance(session, answers(came=[str(row.pk) for row in present]))
        for row in present:
            mark_attended(progress_id=row.pk, actor=STAFF, now=utc_now())
        mark_missed(progress_id=rows[missed].pk, actor=STAFF, now=utc_now())

        assert told.sentences == (
            "Attended: 2. Missed: 1.",
            "Of these, marked otherwise before: 1.",
            f"{came.learner} completes {came.program.title} by it.",
            f"{corrected.learner} completes {corrected.program.title} by it.",
        )
        assert told.mails == "A mail about a completed course goes to the family."
        completed = StudentPackage.objects.filter(completed_at__isnull=False).order_by("pk")
        assert list(completed) == [came, corrected]
