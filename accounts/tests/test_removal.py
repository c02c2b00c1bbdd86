"""What a mistaken import brought in is removed only if nothing is about it."""

import pytest

from accounts.models import Guardian, Learner
from accounts.removal import remove_unused_guardian, remove_unused_learner
from accounts.staff_tasks import raise_staff_task
from accounts.task_kinds import NAME_ASKED, NO_ADDRESS

from .factories import GuardianFactory, LearnerFactory

pytestmark = pytest.mark.django_db


class TestALearner:
    def test_of_whom_nothing_is_known_is_removed(self) -> None:
        assert remove_unused_learner(learner_id=LearnerFactory().pk)
        assert not Learner.objects.exists()

    @pytest.mark.parametrize("subject", ["learner:{}", "learner:{}/learner:0", "learner:0/learner:{}"])
    def test_about_whom_staff_were_asked_stays(self, subject: str) -> None:
        learner = LearnerFactory()
        ask(learner, subject.format(learner.pk))

        assert not remove_unused_learner(learner_id=learner.pk)
        assert Learner.objects.get() == learner

    def test_whose_number_begins_like_that_of_another_is_removed(self) -> None:
        learner = LearnerFactory()
        ask(learner, f"learner:{learner.pk}1")

        assert remove_unused_learner(learner_id=learner.pk)


class TestAGuardian:
    def test_of_whom_nothing_is_known_is_removed(self) -> None:
        assert remove_unused_guardian(guardian_id=GuardianFactory().pk)
        assert not Guardian.objects.exists()

    def test_about_whom_staff_were_asked_stays(self) -> None:
        guardian = GuardianFactory()
        raise_staff_task(
            workspace_id=guardian.workspace_id, kind=NO_ADDRESS, subject=f"guardian:{guardian.pk}", summary="Look."
        )

        assert not remove_unused_guardian(guardian_id=guardian.pk)


def ask(learner: Learner, subject: str) -> None:
    raise_staff_task(workspace_id=learner.workspace_id, kind=NAME_ASKED, subject=subject, summary="Look.")
