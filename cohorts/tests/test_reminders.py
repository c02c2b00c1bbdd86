"""Reminders the day before: to whom, when, and only once."""

import datetime as dt
from typing import Any

import pytest
from django.core import mail

from cohorts.learning.booking import cancel_booking
from cohorts.learning.reminders import remind_of_sessions
from cohorts.models import ClassSession, Cohort, GroupClass, StudentPackage
from cohorts.tests.factories import buy_on_rows, cohort_with
from core.clock import time_is, utc_now
from notifications.models import Notification
from notifications.sending import send_due_notifications

pytestmark = pytest.mark.django_db

HOUR = dt.timedelta(hours=1)


@pytest.fixture
def cohort() -> Cohort:
    return cohort_with(options=(1,), start_date=utc_now().date() + dt.timedelta(days=20))


@pytest.fixture
def package(cohort: Cohort) -> StudentPackage:
    return buy_on_rows(cohort)


def starts(package: StudentPackage) -> dt.datetime:
    return ClassSession.objects.get(bookings__package=package).starts_at


def reminders() -> list[Any]:
    return list(Notification.objects.filter(kind="session_reminder"))


class TestAReminder:
    def test_is_written_within_a_day_of_the_session(self, package: StudentPackage) -> None:
        start = starts(package)

        early = remind_of_sessions(now=start - 25 * HOUR)
        due = remind_of_sessions(now=start - 24 * HOUR)
        again = remind_of_sessions(now=start - 23 * HOUR)

        assert (early, due, again) == (0, 1, 0)
        assert [reminder.recipient for reminder in reminders()] == [package.learner.email]

    def test_says_when_and_where(self, package: StudentPackage) -> None:
        GroupClass.objects.update(meeting_url="https://meet.example.test/room")
        before = starts(package) - 24 * HOUR
        remind_of_sessions(now=before)

        with time_is(before):
            send_due_notifications(now=before)

        message = mail.outbox[-1]
        assert message.subject.startswith("Jane's next session: Tuesday, ")
        assert "\n- Week 1: Topic 1\n- Tuesday, " in message.body
        assert "Join the session: https://meet.example.test/room\n" in message.body

    def test_of_a_session_cancelled_meanwhile_is_not_sent(self, package: StudentPackage) -> None:
        start = starts(package)
        remind_of_sessions(now=start - 24 * HOUR)
        cancel_booking(package_id=package.pk, step_id=package.progress.get().step_id, now=start - 24 * HOUR)

        with time_is(start - 23 * HOUR):
            send_due_notifications(now=start - 23 * HOUR)

        assert [reminder.status for reminder in reminders()] == ["skipped"]

    def test_that_comes_too_late_is_not_sent(self, package: StudentPackage) -> None:
        start = starts(package)
        remind_of_sessions(now=start - 24 * HOUR)

        with time_is(start + HOUR):
            send_due_notifications(now=start + HOUR)

        assert [reminder.status for reminder in reminders()] == ["skipped"]

    def test_comes_again_when_the_session_moved_to_another_day(self, package: StudentPackage) -> None:
        start = starts(package)
        remind_of_sessions(now=start - 24 * HOUR)
        later = start + dt.timedelta(days=7)
        ClassSession.objects.update(starts_at=later, ends_at=later + HOUR, date=later.date())

        due = remind_of_sessions(now=later - 24 * HOUR)

        assert (due, len(reminders())) == (1, 2)


class TestNobody:
    @pytest.mark.sqlite
    def test_is_reminded_of_what_they_booked_within_the_day(self, package: StudentPackage) -> None:
        start = starts(package)
        package.progress.update(booked_at=start - 5 * HOUR)

        assert remind_of_sessions(now=start - 4 * HOUR) == 0

    def test_is_reminded_of_a_session_that_has_begun(self, package: StudentPackage) -> None:
        assert remind_of_sessions(now=starts(package)) == 0
        assert reminders() == []
