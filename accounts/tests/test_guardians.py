import pytest

from accounts.guardians import attach_payer, find_or_create_guardian, link_guardian
from accounts.models import Guardian, Guardianship

from .factories import GuardianFactory, LearnerFactory, WorkspaceFactory


@pytest.mark.django_db
@pytest.mark.sqlite
class TestFindingAGuardian:
    def test_makes_one_in_one_statement(self, django_assert_num_queries):
        workspace = WorkspaceFactory()

        with django_assert_num_queries(1):
            guardian = find_or_create_guardian(workspace_id=workspace.pk, external_id="G-1")

        assert Guardian.objects.get() == guardian
        assert (guardian.external_id, guardian.email) == ("G-1", None)

    def test_returns_the_one_there_is(self):
        known = GuardianFactory(external_id="G-1")

        assert find_or_create_guardian(workspace_id=known.workspace_id, external_id="G-1") == known
        assert Guardian.objects.count() == 1

    def test_never_returns_one_of_another_workspace(self):
        elsewhere = GuardianFactory(external_id="G-1")

        guardian = find_or_create_guardian(workspace_id=WorkspaceFactory().pk, external_id="G-1")

        assert guardian != elsewhere


@pytest.mark.django_db
@pytest.mark.sqlite
class TestLinkingAGuardian:
    def test_twice_makes_one_link(self):
        guardian = GuardianFactory()
        learner = LearnerFactory(workspace=guardian.workspace)

        link_guardian(guardian_id=guardian.pk, learner_id=learner.pk)
        link_guardian(guardian_id=guardian.pk, learner_id=learner.pk)

        assert Guardianship.objects.count() == 1
        assert list(guardian.learners.all()) == [learner]


@pytest.mark.django_db
@pytest.mark.sqlite
class TestAttachingAPayer:
    def test_gives_the_named_guardian_their_address(self):
        guardian = GuardianFactory(email=None)
        learner = LearnerFactory(workspace=guardian.workspace)

        payer = attach_payer(
            workspace_id=guardian.workspace_id,
            guardian_id=guardian.pk,
            learner_id=learner.pk,
            email=" Parent@Home.test ",
        )

        assert payer == guardian
        guardian.refresh_from_db()
        assert guardian.email == "parent@home.test"
        assert list(guardian.learners.all()) == [learner]

    def test_keeps_the_address_the_guardian_has(self):
        guardian = GuardianFactory(email="first@home.test")
        learner = LearnerFactory(workspace=guardian.workspace)

        attach_payer(
            workspace_id=guardian.workspace_id,
            guardian_id=guardian.pk,
            learner_id=learner.pk,
            email="second@home.test",
        )

        guardian.refresh_from_db()
        assert guardian.email == "first@home.test"

    def test_leaves_an_address_with_the_guardian_who_has_it(self):
        other = GuardianFactory(email="parent@home.test")
        guardian = GuardianFactory(workspace=other.workspace, email=None)
        learner = LearnerFactory(workspace=other.workspace)

        payer = attach_payer(
            workspace_id=other.workspace_id,
            guardian_id=guardian.pk,
            learner_id=learner.pk,
            email="parent@home.test",
        )

        assert payer == guardian
        guardian.refresh_from_db()
        assert guardian.email is None
        assert list(guardian.learners.all()) == [learner]

    def test_finds_an_unnamed_payer_by_address(self):
        known = GuardianFactory(email="parent@home.test")
        learner = LearnerFactory(workspace=known.workspace)

        payer = attach_payer(
            workspace_id=known.workspace_id, guardian_id=None, learner_id=learner.pk, email="PARENT@home.test"
        )

        assert payer == known
        assert list(known.learners.all()) == [learner]

    def test_makes_an_unknown_unnamed_payer(self):
        learner = LearnerFactory()

        payer = attach_payer(
            workspace_id=learner.workspace_id, guardian_id=None, learner_id=learner.pk, email="parent@home.test"
        )

        assert Guardian.objects.get() == payer
        assert (payer.external_id, payer.email) == (None, "parent@home.test")

    def test_does_nothing_when_nothing_is_known(self):
        learner = LearnerFactory()

        payer = attach_payer(workspace_id=learner.workspace_id, guardian_id=None, learner_id=learner.pk, email="")

        assert payer is None
        assert Guardian.objects.count() == 0
