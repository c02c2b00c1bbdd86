"""The mails that families get about their courses, and those they are spared."""

import datetime as dt
from typing import Any

import pytest
from django.core import mail
from django.urls import resolve
from icalendar import Calendar

from accounts.tests.factories import GuardianshipFactory, LearnerFactory, UserFactory, WorkspaceFactory
from billing.refunds import request_refund, submit_refund
from billing.states import RefundReason
from cohorts.course.scheduling import change_class, clone_cohort, reschedule_session
from cohorts.learning.attendance import mark_attended
from cohorts.learning.booking import Selection, book_sessions, cancel_booking, swap_booking
from cohorts.models import ClassSession, Cohort, CohortSession, CourseStep, GroupClass, StudentPackage
from cohorts.sale.transfer import move_package
from cohorts.tests.factories import buy, buy_on_rows, cohort_with, pay, start
from core.clock import utc_now
from enrollments.tests.factories import STAFF
from notifications.models import Notification
from notifications.sending import send_due_notifications
from sandbox.testing import SandboxProcess

pytestmark = pytest.mark.django_db


@pytest.fixture
def cohort() -> Cohort:
    """Return Algebra in the spring: one step without a choice, then one with two classes, meeting online."""
    made = cohort_with(options=(1, 2), start_date=dt.date(2031, 1, 12), name="Spring cohort")
    program = made.instance.program
    program.title = "Algebra"
    program.save()
    GroupClass.objects.update(meeting_url="https://meet.example.test/room")
    made.instance.workspace.name = "Riverside Academy"
    made.instance.workspace.save()
    return made


@pytest.fixture
def package(cohort: Cohort) -> StudentPackage:
    """Return Jane's package, bought by her parent, who has read the mails about it."""
    guardianship = GuardianshipFactory(
        guardian__workspace=cohort.instance.workspace, guardian__email="parent@example.test"
    )
    bought = buy_on_rows(cohort, guardianship.learner)
    read()
    return bought


def read() -> list[Any]:
    """Return all mails that have not been read yet."""
    send_due_notifications(now=utc_now())
    mails, mail.outbox = mail.outbox, []
    return mails


def told(*kinds: str) -> list[str]:
    """Return the outcomes of the mails of these kinds."""
    return list(Notification.objects.filter(kind__in=kinds).order_by("pk").values_list("status", flat=True))


def step(package: StudentPackage, order: int) -> CourseStep:
    return CourseStep.objects.get(program=package.program, order=order)


def options(package: StudentPackage, order: int) -> list[CohortSession]:
    return list(CohortSession.objects.filter(cohort=package.cohort, step__order=order).order_by("pk"))


def book(package: StudentPackage, choice: int = 0) -> None:
    """Choose a class for the second step."""
    session = options(package, 2)[choice]
    book_sessions(package_id=package.pk, selections=[Selection(session.step_id, session.option_id)], now=utc_now())


def events_in(message: Any) -> list[Any]:
    ((name, content, media_type),) = message.attachments
    assert (name, media_type) == ("sessions.ics", "text/calendar; method=PUBLISH")
    return list(Calendar.from_ical(content).events)


class TestAPurchase:
    def test_tells_what_is_booked_and_what_to_choose(self, cohort: Cohort) -> None:
        learner = LearnerFactory(workspace=cohort.instance.workspace, email="jane@example.test")
        package = buy_on_rows(cohort, learner)

        (message,) = [message for message in read() if "invoice" not in message.subject]

        assert message.to == ["jane@example.test"]
        assert message.subject == "Jane is enrolled in Algebra"
        assert message.body == (
            "Welcome! Jane has a place in Algebra, Spring cohort.\n\n"
            "Booked for Jane:\n\n"
            "- Week 1: Topic 1, Tuesday, January 14, 5:00 to 6:00 PM CST (America/Chicago), "
            "at https://meet.example.test/room\n\n"
            "Still to choose, whenever it suits you:\n\n- Week 2: Topic 2\n\n"
            f"Choose the sessions: http://127.0.0.1:8000/my/courses/{package.pk}/book\n\n"
            "Riverside Academy\n"
        )
        assert [event["summary"] for event in events_in(message)] == ["Algebra: Week 1"]

    def test_with_nothing_to_choose_says_that_all_is_done(self) -> None:
        package = buy_on_rows(cohort_with(options=(1, 1)))

        (message,) = [message for message in read() if "invoice" not in message.subject]

        assert "Everything is booked; there is nothing more to do." in message.body
        assert f"See the course: http://127.0.0.1:8000/my/enrollments/{package.enrollment.cuid}\n" in message.body
        assert len(events_in(message)) == 2

    def test_is_told_to_the_guardian_and_not_to_whoever_paid(self, stripe: SandboxProcess, cohort: Cohort) -> None:
        guardianship = GuardianshipFactory(
            guardian__workspace=cohort.instance.workspace, guardian__email="mother@example.test"
        )
        checkout = start(cohort, guardianship.learner)

        pay(stripe, checkout, email="father@example.test")

        addresses = [address for message in read() for address in message.to if "enrolled" in message.subject]
        assert addresses == ["mother@example.test"]

    def test_by_a_learner_with_an_account_is_told_to_them(self, stripe: SandboxProcess, cohort: Cohort) -> None:
        learner = LearnerFactory(
            workspace=cohort.instance.workspace,
            email="adult@example.test",
            user=UserFactory(email="adult@example.test"),
        )

        pay(stripe, start(cohort, learner), email="office@example.test")

        addresses = [address for message in read() for address in message.to if "enrolled" in message.subject]
        assert addresses == ["adult@example.test"]

    def test_is_told_with_ids_alone(self, package: StudentPackage) -> None:
        notification = Notification.objects.get(kind="course_enrolled")

        assert (notification.subject_key, notification.params) == (f"package:{package.pk}", {"package": package.pk})

    def test_refunded_before_the_mail_went_out_is_told_by_the_refund_alone(
        self, stripe: SandboxProcess, cohort: Cohort
    ) -> None:
        package = buy(stripe, cohort)
        refund(package)

        subjects = [message.subject for message in read()]

        assert told("course_enrolled", "booking_cancelled") == ["skipped"]
        assert not any(" is enrolled" in subject for subject in subjects)


def refund(package: StudentPackage) -> None:
    assert package.payment_id is not None
    asked = request_refund(
        payment_id=package.payment_id, amount_minor=None, reason=RefundReason.REQUESTED, actor=STAFF, now=utc_now()
    )
    submit_refund(refund_id=asked.pk, now=utc_now())


class TestABooking:
    def test_is_confirmed_with_a_file_for_the_calendar(self, package: StudentPackage) -> None:
        book(package)

        (message,) = read()

        assert message.to == ["parent@example.test"]
        assert message.subject == "Booked for Jane: Algebra"
        assert message.body == (
            "Jane has a seat in this session of Algebra:\n\n"
            "- Week 2: Topic 2, Tuesday, January 21, 5:00 to 6:00 PM CST (America/Chicago), "
            "at https://meet.example.test/room\n\n"
            "The attached file puts it into your calendar.\n\n"
            f"See or change the sessions: http://127.0.0.1:8000/my/enrollments/{package.enrollment.cuid}\n\n"
            "Riverside Academy\n"
        )
        assert [event["summary"] for event in events_in(message)] == ["Algebra: Week 2"]

    def test_of_several_sessions_at_once_is_one_mail(self) -> None:
        package = buy_on_rows(cohort_with(options=(2, 2)))
        read()
        chosen = [options(package, 1)[0], options(package, 2)[0]]

        book_sessions(
            package_id=package.pk,
            selections=[Selection(session.step_id, session.option_id) for session in chosen],
            now=utc_now(),
        )
        (message,) = read()

        assert "in these sessions of" in message.body
        assert message.body.count("\n- Week") == 2

    def test_changed_for_another_is_one_mail_about_the_new_one(self, package: StudentPackage) -> None:
        book(package)
        read()
        other = options(package, 2)[1]

        swap_booking(package_id=package.pk, step_id=other.step_id, option_id=other.option_id, now=utc_now())
        (message,) = read()

        assert "- Week 2: Topic 2, Wednesday, January 22, 5:00 to 6:00 PM CST" in message.body
        assert told("booking_cancelled") == ["skipped"]

    def test_cancelled_before_the_mail_went_out_is_not_confirmed(self, package: StudentPackage) -> None:
        book(package)
        cancel_booking(package_id=package.pk, step_id=step(package, 2).pk, now=utc_now())

        (message,) = read()

        assert message.subject == "Canceled for Jane: Week 2: Topic 2"
        assert told("sessions_booked") == ["skipped"]

    def test_in_summer_is_told_in_summer_time(self) -> None:
        buy_on_rows(cohort_with(options=(1,), start_date=dt.date(2031, 7, 13)))

        (message,) = [message for message in read() if "enrolled" in message.subject]

        assert "Tuesday, July 15, 5:00 to 6:00 PM CDT (America/Chicago)" in message.body


class TestACancelledBooking:
    def test_is_told_with_the_way_to_another(self, package: StudentPackage) -> None:
        cancel_booking(package_id=package.pk, step_id=step(package, 1).pk, now=utc_now())

        (message,) = read()

        assert message.subject == "Canceled for Jane: Week 1: Topic 1"
        assert message.body == (
            "This session of Algebra is canceled for Jane:\n\n"
            "- Week 1: Topic 1, Tuesday, January 14, 5:00 to 6:00 PM CST (America/Chicago)\n\n"
            "Jane keeps the place in the course. Choose another session whenever it suits you.\n\n"
            f"Choose another session: http://127.0.0.1:8000/my/courses/{package.pk}/book\n\n"
            "Riverside Academy\n"
        )


class TestARescheduledSession:
    def test_is_told_to_those_who_booked_it(self, package: StudentPackage) -> None:
        session = ClassSession.objects.get(bookings__package=package)

        reschedule_session(
            session_id=session.pk,
            date=session.date,
            start_time=dt.time(19),
            end_time=dt.time(20),
            max_students=10,
            now=utc_now(),
        )
        (message,) = read()

        assert message.subject == "New time for Jane: Week 1: Topic 1"
        assert "- Week 1: Topic 1, Tuesday, January 14, 7:00 to 8:00 PM CST (America/Chicago)" in message.body
        assert [event.start for event in events_in(message)] == [dt.datetime(2031, 1, 15, 1, tzinfo=dt.UTC)]

    def test_is_told_of_each_time_there_and_back_and_there_again(self, package: StudentPackage) -> None:
        session = ClassSession.objects.get(bookings__package=package)
        heard = []

        for hour in (19, 17, 19, 19):  # the last one changes nothing
            reschedule_session(
                session_id=session.pk,
                date=session.date,
                start_time=dt.time(hour),
                end_time=dt.time(hour + 1),
                max_students=10,
                now=utc_now(),
            )
            heard.append([event.start.hour for message in read() for event in events_in(message)])

        assert heard == [[1], [23], [1], []]

    def test_with_other_seats_only_is_not_told(self, package: StudentPackage) -> None:
        session = ClassSession.objects.get(bookings__package=package)

        reschedule_session(
            session_id=session.pk,
            date=session.date,
            start_time=dt.time(17),
            end_time=dt.time(18),
            max_students=3,
            now=utc_now(),
        )

        assert read() == []

    def test_that_is_over_is_not_told(self, package: StudentPackage) -> None:
        session = ClassSession.objects.get(bookings__package=package)

        reschedule_session(
            session_id=session.pk,
            date=session.date,
            start_time=dt.time(19),
            end_time=dt.time(20),
            max_students=10,
            now=session.ends_at + dt.timedelta(days=1),
        )

        assert read() == []


@pytest.mark.sqlite
class TestTheFileOfACancelledBooking:
    def test_takes_the_session_out_of_the_calendar(self, package: StudentPackage) -> None:
        row = package.progress.get(step__order=1)

        cancel_booking(package_id=package.pk, step_id=row.step_id, is_by_staff=True, now=utc_now())
        (message,) = read()

        ((name, content, media_type),) = message.attachments
        calendar = Calendar.from_ical(content)
        (event,) = calendar.events
        assert (name, media_type, calendar["method"]) == ("sessions.ics", "text/calendar; method=CANCEL", "CANCEL")
        assert (event["uid"], event["status"], event["sequence"]) == (f"session-{row.pk}@127.0.0.1", "CANCELLED", 1)
        assert str(event["organizer"]).startswith("mailto:")
        parts = {part.get_content_type(): part for part in message.message().walk()}
        assert parts["text/calendar"].get_param("method") == "CANCEL"


@pytest.mark.sqlite
class TestANewMeetingPage:
    def test_is_told_once_for_each_change(self, package: StudentPackage) -> None:
        group_class = GroupClass.objects.get(sessions__bookings__package=package)
        heard = []

        for address in ("https://a.test/1", "https://a.test/1", "https://meet.example.test/room", "https://a.test/1"):
            group_class.meeting_url = address
            change_class(group_class=group_class, fields=["meeting_url"], now=utc_now())
            heard.append([event["location"] for message in read() for event in events_in(message)])

        assert heard == [["https://a.test/1"], [], ["https://meet.example.test/room"], ["https://a.test/1"]]

    def test_that_nobody_waits_for_is_told_to_nobody(self, package: StudentPackage) -> None:
        session = ClassSession.objects.get(bookings__package=package)
        group_class = session.group_class
        group_class.meeting_url = "https://a.test/1"

        change_class(group_class=group_class, fields=["meeting_url"], now=session.ends_at + dt.timedelta(minutes=1))
        change_class(group_class=group_class, fields=["name", "teacher", "max_students"], now=utc_now())

        assert told("session_meeting_page") == []


class TestAMeetingInAnotherZoneThanItsCohort:
    def test_is_told_by_the_clock_that_the_pages_show(self, package: StudentPackage) -> None:
        Cohort.objects.update(timezone="America/Denver")
        session = ClassSession.objects.get(bookings__package=package)

        reschedule_session(
            session_id=session.pk,
            date=session.date,
            start_time=dt.time(18, 30),
            end_time=dt.time(19, 30),
            max_students=10,
            now=utc_now(),
        )
        (message,) = read()

        assert "Tuesday, January 14, 5:30 to 6:30 PM MST (America/Denver)" in message.body


class TestAMoveToAnotherCohort:
    def test_is_one_mail_about_the_new_one(self, package: StudentPackage) -> None:
        later = clone_cohort(cohort_id=package.cohort_id, name="Fall cohort", start_date=dt.date(2031, 9, 7))

        move_package(package_id=package.pk, cohort_id=later.pk, now=utc_now())
        (message,) = read()

        assert message.subject == "Jane is now in Fall cohort of Algebra"
        assert "- Week 1: Topic 1, Tuesday, September 9, 5:00 to 6:00 PM CDT (America/Chicago)" in message.body

    def test_that_meets_with_the_first_is_one_mail_too(self, package: StudentPackage) -> None:
        book(package)
        read()
        beside = clone_cohort(cohort_id=package.cohort_id, name="Beside", start_date=package.cohort.start_date)

        move_package(package_id=package.pk, cohort_id=beside.pk, now=utc_now())
        (message,) = read()

        assert message.subject == "Jane is now in Beside of Algebra"
        assert "Still to choose:\n\n- Week 2: Topic 2\n" in message.body


class TestACompletedCourse:
    def test_is_told_once(self, package: StudentPackage) -> None:
        book(package)
        read()
        first, last = package.progress.order_by("step__order")

        mark_attended(progress_id=first.pk, actor=STAFF, now=utc_now())
        before = read()
        mark_attended(progress_id=last.pk, actor=STAFF, now=utc_now())
        mark_attended(progress_id=last.pk, actor=STAFF, now=utc_now())
        (message,) = read()

        assert before == []
        assert message.subject == "Jane has completed Algebra"
        assert message.body.startswith("Congratulations! Jane has completed Algebra.\n")


class TestEveryLink:
    @pytest.mark.parametrize("path", ["/my/courses", "/my/courses/1/book", "/courses/ALGEBRA", "/my/enrollments"])
    def test_leads_to_a_page(self, path: str) -> None:
        assert resolve(path).func is not None


class TestAWorkspace:
    def test_hears_nothing_of_another(self, package: StudentPackage) -> None:
        assert Notification.objects.filter(workspace=WorkspaceFactory()).count() == 0
        assert set(Notification.objects.values_list("workspace", flat=True)) == {package.learner.workspace_id}
