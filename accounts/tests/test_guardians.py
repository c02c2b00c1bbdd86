import pytest

from accounts.guardians import add_guardian, ask_who_is_guardian, find_or_create_guardian, link_guardian
from accounts.models import Guardian, Guardianship, StaffTask

from .factories import GuardianFactory, GuardianshipFactory, LearnerFactory, WorkspaceFactory


@pytest.mark.django_db
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
class TestLinkingAGuardian:
    def test_twice_makes_one_link(self):
        guardian = GuardianFactory()
        learner = LearnerFactory(workspace=guardian.workspace)

        link_guardian(guardian_id=guardian.pk, learner_id=learner.pk)
        link_guardian(guardian_id=guardian.pk, learner_id=learner.pk)

        assert Guardianship.objects.count() == 1
        assert list(guardian.learners.all()) == [learner]


@pytest.mark.django_db
class TestAddingAGuardian:
    def test_finds_who_has_the_address(self):
        known = GuardianFactory(email="parent@home.test")
        learner = LearnerFactory(workspace=known.workspace)

        guardian = add_guardian(workspace_id=known.workspace_id, learner_id=learner.pk, email=" PARENT@home.test ")

        assert guardian == known
        assert list(known.learners.all()) == [learner]

    @pytest.mark.sqlite
    def test_adds_one_beside_those_there_are(self):
        first = GuardianshipFactory()

        second = add_guardian(
            workspace_id=first.learner.workspace_id, learner_id=first.learner_id, email="second@home.test"
        )

        assert list(first.learner.guardians.order_by("pk")) == [first.guardian, second]
        assert (second.external_id, second.email) == (None, "second@home.test")


@pytest.mark.django_db
class TestAGuardianWithoutAnAddress:
    def test_becomes_one_task_for_staff(self):
        guardian = GuardianFactory(email=None)

        for _ in range(2):
            ask_who_is_guardian(guardian_id=guardian.pk)

        task = StaffTask.objects.get()
        assert (task.kind, task.subject, task.workspace_id) == (
            "guardian_without_address",
            f"guardian:{guardian.pk}",
            guardian.workspace_id,
        )

    @pytest.mark.sqlite
    def test_is_no_task_once_the_address_is_known(self):
        ask_who_is_guardian(guardian_id=GuardianFactory().pk)

        assert not StaffTask.objects.exists()
