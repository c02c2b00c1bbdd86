"""Everybody in the stories enters through the regular paths, so the demo contains nobody twice."""

import pytest

from accounts.models import Learner
from accounts.tests.factories import LearnerFactory, UserFactory, WorkspaceFactory
from demo.catalog import ORGANIZATIONS, Child, Scene
from demo.stories import enter_learner

pytestmark = pytest.mark.django_db

ELENA = Child("Elena", "Rivera", "rivera@home.test", "S-1", "4", "Maple Street School")


class TestAChildOfTheDemo:
    def test_is_the_learner_that_an_approved_lead_became(self) -> None:
        scene = Scene(ORGANIZATIONS[0], WorkspaceFactory(), UserFactory())
        known = LearnerFactory(
            workspace=scene.workspace,
            external_id=None,
            email=ELENA.email,
            first_name=ELENA.first_name,
            last_name=ELENA.last_name,
        )

        entered = enter_learner(scene, ELENA)

        assert entered == known
        assert list(Learner.objects.values_list("pk", "external_id")) == [(known.pk, "S-1")]
