"""Who belongs to a learner's family when a mail is about to be sent."""

import pytest

from accounts.guardians import set_guardian_address
from accounts.merging import merge_learners
from accounts.models import Guardian, Learner
from accounts.tests.factories import GuardianshipFactory, LearnerFactory
from core.actors import SYSTEM
from core.clock import utc_now
from notifications.recipients import belongs_to_family, family_addresses

pytestmark = pytest.mark.django_db

MOTHER, NEW, CHILD, TWIN = (f"{name}@home.test" for name in ("mother", "new", "child", "twin"))


@pytest.fixture
def learner() -> Learner:
    """Return a child with an address, and a guardian known by an id too."""
    guardianship = GuardianshipFactory(guardian__email=MOTHER, guardian__external_id="G-1", learner__email=CHILD)
    learner: Learner = guardianship.learner
    return learner


def belonging(learner: Learner) -> list[str]:
    learner.refresh_from_db()
    return [address for address in (MOTHER, NEW, CHILD, TWIN) if belongs_to_family(address, learner)]


class TestAFamily:
    def test_is_the_guardians_and_the_learner(self, learner: Learner) -> None:
        assert belonging(learner) == [MOTHER, CHILD]
        assert family_addresses(learner) == [MOTHER]

    def test_is_no_longer_who_was_removed(self, learner: Learner) -> None:
        learner.guardianships.all().delete()

        assert belonging(learner) == [CHILD]

    def test_is_no_longer_an_address_that_was_replaced(self, learner: Learner) -> None:
        set_guardian_address(guardian_id=Guardian.objects.get().pk, email=NEW, now=utc_now())

        assert belonging(learner) == [NEW, CHILD]

    def test_is_the_same_for_two_learners_who_are_one(self, learner: Learner) -> None:
        kept = LearnerFactory(workspace=learner.workspace, email=TWIN)

        merge_learners(keep_id=kept.pk, drop_id=learner.pk, reason="One", actor=SYSTEM, now=utc_now())

        assert belonging(learner) == belonging(kept) == [MOTHER, CHILD, TWIN]
