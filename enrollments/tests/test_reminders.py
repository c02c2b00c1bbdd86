"""Reminders that an enrollment ends: to whom, when, and each only once."""

import datetime as dt
from typing import Any

import pytest
from django.core import mail

from accounts.models import Learner
from core.clock import utc_now
from enrollments.exit import plan_exit
from enrollments.lifecycle import unenroll_enrollment
from enrollments.models import Enrollment, ProgramInstance
from enrollments.on_account import enroll_on_account
from enrollments.reminders import remind_of_ends
from enrollments.tests.factories import STAFF, CandidateFactory, InstanceFactory, approved_enrollment, route, seats
from notifications.models import Notification, WorkspaceLetter
from notifications.sending import send_due_notifications

pytestmark = pytest.mark.django_db

LAST_DAY = dt.date(2031, 6, 30)
BEGINNING = dt.datetime(2031, 1, 7, 12, tzinfo=dt.UTC)


def days_before(days: int, *, hour: int = 12) -> dt.datetime:
    return dt.datetime.combine(LAST_DAY - dt.timedelta(days=days), dt.time(hour), tzinfo=dt.UTC)


@pytest.fixture
def course() -> ProgramInstance:
    made: ProgramInstance = InstanceFactory(price=None, end_date=LAST_DAY, name="Spring term")
    made.workspace.timezone = "UTC"
    made.workspace.save()
    return made


@pytest.fixture
def enrollment(course: ProgramInstance) -> Enrollment:
    return take_part(course)


def take_part(course: ProgramInstance, *, since: dt.datetime = BEGINNING, **learner: Any) -> Enrollment:
    candidate = CandidateFactory(
        instance=course,
        workspace=course.workspace,
        **{f"learner__{name}": value for name, value in ({"email": "mia@home.test"} | learner).items()},
    )
    return approved_enrollment(candidate, now=since)


def remind(now: dt.datetime, **more: Any) -> list[str]:
    """Return the reminders of a sweep."""
    remind_of_ends(at_most=100, clock=lambda: now, **more)
    reminders = Notification.objects.filter(kind="enrollment_ends_soon").order_by("pk")
    return [subject.partition("/")[2] for subject in reminders.values_list("subject_key", flat=True)]


def plan_to_leave(enrollment: Enrollment, *, on: dt.date) -> None:
    plan_exit(enrollment_id=enrollment.pk, effective_date=on, actor=STAFF, reason="Moves", now=days_before(20))


class TestAReminder:
    def test_comes_14_and_3_days_before_the_last_day(self, enrollment: Enrollment) -> None:
        told = {days: remind(days_before(days)) for days in (15, 14, 13, 4, 3, 0)}

        both = ["ends/14", "ends/3"]
        assert told == {15: [], 14: ["ends/14"], 13: ["ends/14"], 4: ["ends/14"], 3: both, 0: both}

    def test_follows_the_clock_of_the_workspace(self, enrollment: Enrollment) -> None:
        enrollment.workspace.timezone = "America/Los_Angeles"
        enrollment.workspace.save()

        told = [remind(days_before(14, hour=6)), remind(days_before(14, hour=8))]

        assert told == [[], ["ends/14"]]

    def test_comes_once_however_the_date_moves(self, enrollment: Enrollment, course: ProgramInstance) -> None:
        remind(days_before(14))
        ProgramInstance.objects.filter(pk=course.pk).update(end_date=LAST_DAY + dt.timedelta(days=1))

        told = [remind(days_before(13)), remind(days_before(12))]

        assert told == [["ends/14"], ["ends/14"]]

    def test_comes_though_an_exit_is_planned_for_the_day_after(self, enrollment: Enrollment) -> None:
        plan_to_leave(enrollment, on=LAST_DAY + dt.timedelta(days=1))

        assert remind(days_before(14)) == ["ends/14"]

    def test_is_the_second_alone_where_the_sweep_was_away(self, enrollment: Enrollment) -> None:
        assert remind(days_before(2)) == ["ends/3"]

    def test_does_not_follow_the_confirmation(self, course: ProgramInstance) -> None:
        take_part(course, since=days_before(10))

        told = [remind(days_before(9)), remind(days_before(3))]

        assert told == [[], ["ends/3"]]

    def test_says_the_last_day_and_what_is_owed(self, course: ProgramInstance) -> None:
        priced: ProgramInstance = InstanceFactory(end_date=LAST_DAY, name="Spring term")
        Learner.objects.create(
            workspace=priced.workspace, first_name="Mia", last_name="Doe", email="mia@home.test", external_id="user-1"
        )
        enroll_on_account(
            workspace_id=priced.workspace_id, course_id=priced.pk, user_id="user-1", actor=STAFF, now=BEGINNING
        )
        remind(days_before(14))

        send_due_notifications(now=days_before(14))

        letter = mail.outbox[-1]
        assert (letter.to, letter.subject) == (
            ["mia@home.test"],
            f"{priced.program.title} ends on Monday, June 30, 2031",
        )
        assert "Monday, June 30, 2031 is the last day." in letter.body
        assert "49.00 USD is to be paid for it." in letter.body


class TestNobodyIsRemindedWho:
    def test_has_left(self, enrollment: Enrollment) -> None:
        unenroll_enrollment(enrollment_id=enrollment.pk, actor=STAFF, reason="Moved", now=utc_now())

        assert remind(days_before(14)) == []

    def test_is_on_a_district_s_seat(self, course: ProgramInstance) -> None:
        seats(course.workspace, total=1)
        route(course.workspace, instance=course, now=BEGINNING)

        assert remind(days_before(14)) == []

    def test_is_in_a_workspace_that_switched_the_mail_off(self, enrollment: Enrollment) -> None:
        WorkspaceLetter.objects.create(
            workspace=enrollment.workspace, kind="enrollment_ends_soon", subject="x", body="y", is_on=False
        )

        assert remind(days_before(14)) == []

    def test_leaves_on_an_earlier_day_that_the_family_knows(self, enrollment: Enrollment) -> None:
        plan_to_leave(enrollment, on=LAST_DAY)

        assert remind(days_before(14)) == []

    def test_made_a_plan_to_leave_between_the_sweep_and_the_mail(self, enrollment: Enrollment) -> None:
        remind(days_before(14))
        plan_to_leave(enrollment, on=LAST_DAY)
        mail.outbox.clear()

        send_due_notifications(now=days_before(14))

        assert [letter.subject for letter in mail.outbox if "ends on" in letter.subject] == []

    def test_left_between_the_sweep_and_the_mail(self, enrollment: Enrollment) -> None:
        remind(days_before(14))
        unenroll_enrollment(enrollment_id=enrollment.pk, actor=STAFF, reason="Moved", now=days_before(14))
        mail.outbox.clear()

        send_due_notifications(now=days_before(14))

        assert [letter.subject for letter in mail.outbox if "ends on" in letter.subject] == []

    @pytest.mark.sqlite
    def test_has_weeks_more_by_the_time_of_the_mail(self, enrollment: Enrollment, course: ProgramInstance) -> None:
        remind(days_before(14))
        ProgramInstance.objects.filter(pk=course.pk).update(end_date=LAST_DAY + dt.timedelta(days=40))
        mail.outbox.clear()

        send_due_notifications(now=days_before(14))

        assert [letter.subject for letter in mail.outbox if "ends on" in letter.subject] == []


class TestFamiliesThatCanNotBeWrittenTo:
    def test_keep_nobody_waiting(self, course: ProgramInstance) -> None:
        seats(course.workspace, total=3)
        for number in range(3):
            route(course.workspace, instance=course, email=f"seat{number}@school.test", now=BEGINNING)
        take_part(course)

        assert remind(days_before(14), size=2) == ["ends/14"]
