"""Two sweeps that find the same enrollment about to end."""

import datetime as dt
from functools import partial

import pytest

from core.clock import utc_now
from enrollments import reminders
from enrollments.emails import hears_from_us
from enrollments.models import ProgramInstance
from enrollments.reminders import remind_of_ends
from enrollments.tests.factories import CandidateFactory, InstanceFactory, approved_enrollment
from notifications.models import Notification
from tests.constraints import without_constraints
from tests.processes import Failure, Meeting, at_once

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]


def about_to_end() -> None:
    course = InstanceFactory(price=None)
    long_ago = utc_now() - dt.timedelta(days=100)
    approved_enrollment(
        CandidateFactory(instance=course, workspace=course.workspace, learner__email="mia@home.test"), now=long_ago
    )
    ProgramInstance.objects.update(end_date=(utc_now() + dt.timedelta(days=10)).date())


def sweeps_that_meet(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Let both find the enrollment before either writes."""
    monkeypatch.setattr(reminders, "hears_from_us", Meeting(hears_from_us))
    return at_once(*[partial(remind_of_ends, at_most=10, clock=utc_now)] * 2)


def reminded() -> int:
    return Notification.objects.filter(kind="enrollment_ends_soon").count()


class TestTwoSweepsAtOnce:
    def test_remind_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        about_to_end()

        answers = sweeps_that_meet(monkeypatch)

        assert [answer for answer in answers if isinstance(answer, Failure)] == []
        assert reminded() == 1

    def test_without_the_constraint_would_remind_twice(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control."""
        with without_constraints((Notification, "notification_once")):
            about_to_end()

            sweeps_that_meet(monkeypatch)

            assert reminded() == 2
