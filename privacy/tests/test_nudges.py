"""Nudges to the family of a learner who is erased while the sweep runs."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pytest

from accounts.models import Learner, StaffTask
from enrollments.lifecycle import unenroll_enrollment
from enrollments.tests.factories import STAFF
from notifications.models import Notification
from partners.models import AT_MOST, WEEK, EnrollmentStep, Nudge
from partners.nudges import sending
from partners.nudges.sending import send_nudges
from partners.nudges.stopping import begin_anew
from partners.task_kinds import NUDGES_UNANSWERED
from partners.tests.factories import NOON, accept, approved, steps_of
from privacy.tests.erasures import erase

pytestmark = pytest.mark.django_db

STUCK = NOON + dt.timedelta(days=8)
LATER = STUCK + WEEK


@pytest.fixture
def step() -> EnrollmentStep:
    return accept(steps_of(approved(now=NOON))[0], now=NOON)


def leave_and_erase(step: EnrollmentStep, now: dt.datetime) -> None:
    unenroll_enrollment(enrollment_id=step.enrollment_id, reason="Moved away.", actor=STAFF, now=now)
    erase(Learner.objects.get(enrollments=step.enrollment_id), now=now)


class TestAFamilyThatWasToBeCalled:
    def test_is_no_task_any_more_once_the_learner_is_erased(self, step: EnrollmentStep) -> None:
        for week in range(AT_MOST + 1):
            send_nudges(now=STUCK + week * WEEK)
        asked = StaffTask.objects.get(kind=NUDGES_UNANSWERED.name)

        leave_and_erase(step, STUCK + AT_MOST * WEEK)

        done = StaffTask.objects.get(kind=NUDGES_UNANSWERED.name)
        assert (asked.status, done.status, done.resolution) == ("open", "done", "Erased.")


class TestALearnerErasedWhileTheSweepRuns:
    def test_leaves_no_address_in_a_nudge(self, step: EnrollmentStep, monkeypatch: pytest.MonkeyPatch) -> None:
        list_due = sending._list_due

        def erase_after_listing(*asked: Any) -> Iterator[sending.Due]:
            found = list(list_due(*asked))
            leave_and_erase(step, STUCK)
            yield from found

        monkeypatch.setattr(sending, "_list_due", erase_after_listing)

        report = send_nudges(now=STUCK)

        assert report.families == 0
        assert not Nudge.objects.exists()
        assert not Notification.objects.filter(kind="partner_nudge_family").exists()

    def test_delays_nobody_by_taking_their_count(self, step: EnrollmentStep, monkeypatch: pytest.MonkeyPatch) -> None:
        """Another sweep has counted their nudges, and finds none of them any more."""
        send_nudges(now=STUCK)
        other = accept(steps_of(approved(now=LATER))[0], now=LATER)
        stuck = LATER + dt.timedelta(days=8)

        def begin_after_erasing(**asked: Any) -> None:
            leave_and_erase(step, stuck)
            begin_anew(**asked)

        EnrollmentStep.objects.filter(pk=step.pk).update(changed_at=stuck)
        monkeypatch.setattr(sending, "begin_anew", begin_after_erasing)

        report = send_nudges(now=stuck)

        assert report.families == 1
        assert Nudge.objects.get().enrollment_id == other.enrollment_id
