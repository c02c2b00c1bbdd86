"""Somebody who enrolls again at the moment when the retention sweep is about to erase them."""

import datetime as dt
from functools import partial
from typing import Any

import pytest

from accounts.models import Learner
from core.actors import SYSTEM
from core.clock import utc_now
from enrollments.details import EnrollmentDetails
from enrollments.identification import ByLearner, create_enrollment
from enrollments.models import Enrollment, ProgramInstance
from enrollments.tests.factories import CandidateFactory, InstanceFactory
from privacy import forgetting
from privacy.erasing import erase_learner
from privacy.forgetting import forget_overdue
from privacy.models import Retention
from tests.processes import BOTH_COME, KEPT_OUT, Failure, Meeting, at_once

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]


def sweep() -> int:
    return forget_overdue(at_most=10, now=utc_now() + dt.timedelta(days=91)).total()


def enroll(learner: Learner, instance: ProgramInstance, begin: Meeting, end: Meeting) -> str:
    begin()
    made = create_enrollment(
        workspace_id=instance.workspace_id,
        instance_id=instance.pk,
        identification=ByLearner(learner.cuid),
        details=EnrollmentDetails(),
        actor=SYSTEM,
        now=utc_now(),
    )
    end()
    return str(made.cuid)


class TestALearnerWhoComesBackWhileTheyAreErased:
    def test_is_told_so(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The enrollment waits for the lock that the sweep holds."""
        erased, enrolled = self.sweep_and_enroll(monkeypatch, patience=KEPT_OUT)

        assert erased == 1
        assert isinstance(enrolled, Failure)
        assert enrolled.kind == "NotFound"

    def test_without_the_lock_loses_the_enrollment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: the sweep looks before the enrollment exists, and erases after it."""
        monkeypatch.setattr(forgetting, "lock_person", lambda find: None)

        erased, enrolled = self.sweep_and_enroll(monkeypatch, patience=BOTH_COME)

        assert erased == 1
        assert Enrollment.objects.get(cuid=enrolled).deleted_at is not None

    def sweep_and_enroll(self, monkeypatch: pytest.MonkeyPatch, *, patience: float) -> list[Any]:
        candidate = CandidateFactory()
        assert candidate.learner is not None
        other = InstanceFactory(workspace=candidate.workspace, is_default=False)
        Retention.objects.create(workspace=candidate.workspace, candidates_days=90)
        begin, end = Meeting(lambda: None), Meeting(lambda: None, patience=patience)

        def erase(**asked: Any) -> object:
            begin()
            end()
            return erase_learner(**asked)

        monkeypatch.setattr(forgetting, "erase_learner", erase)
        return at_once(sweep, partial(enroll, candidate.learner, other, begin, end))
