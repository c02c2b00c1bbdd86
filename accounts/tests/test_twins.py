"""Learners who may be one person: staff are asked, once, and are not asked about siblings."""

from typing import Any

import pytest
from django.db import transaction

from accounts import twins
from accounts.guardians import add_guardian, link_guardian
from accounts.learners import find_or_create_learner
from accounts.models import Learner, StaffTask, Workspace
from accounts.staff_tasks import complete_staff_task
from accounts.tests.factories import GuardianFactory, LearnerFactory, UserFactory, WorkspaceFactory
from accounts.twins import notice_possible_twins, pair_of
from core.clock import utc_now

pytestmark = pytest.mark.django_db

ANA = {"email": "home@costa.test", "first_name": "Ana Maria", "last_name": "Costa"}


@pytest.fixture
def workspace() -> Workspace:
    return WorkspaceFactory()


def ask(workspace: Workspace, **profile: Any) -> Learner:
    with transaction.atomic():
        return find_or_create_learner(workspace_id=workspace.pk, **(ANA | profile))[0]


def asked_about() -> list[tuple[int, int]]:
    """Return the pairs that open tasks are about."""
    return [pair_of(task) for task in StaffTask.objects.filter(kind="possible_twins", status="open").order_by("pk")]


class TestANewLearner:
    @pytest.mark.parametrize(
        ("first_name", "last_name"),
        [
            ("Ana María", "Costa"),
            ("Anamaria", "Costa"),
            ("Ana-Maria", "Cos ta"),
            ("Costa", "Ana Maria"),
            ("Ana", "Costa"),
            ("Ana Maria", "Costa Lopes"),
            ("Ana Marria", "Costa"),
            ("Ana Mraia", "Costa"),
        ],
    )
    def test_with_nearly_the_names_of_another_at_the_same_address_is_a_question(
        self, workspace: Workspace, first_name: str, last_name: str
    ) -> None:
        first = ask(workspace)

        second = ask(workspace, first_name=first_name, last_name=last_name)

        assert asked_about() == [(first.pk, second.pk)]
        task = StaffTask.objects.get()
        assert (task.workspace_id, task.subject) == (workspace.pk, f"learner:{first.pk}/learner:{second.pk}")
        assert "Ana" not in task.summary

    @pytest.mark.parametrize("first_name", ["Bea", "Ana Marie", "Una Maria", "Tim", "Mario"])
    def test_who_is_a_sibling_is_none(self, workspace: Workspace, first_name: str) -> None:
        ask(workspace)

        ask(workspace, first_name=first_name)

        assert asked_about() == []

    def test_with_the_names_of_another_elsewhere_is_none(self, workspace: Workspace) -> None:
        ask(workspace)

        ask(workspace, email="other@costa.test")

        assert asked_about() == []

    def test_with_the_names_and_address_of_one_who_has_another_id_is_a_question(self, workspace: Workspace) -> None:
        first = ask(workspace, learner_id="S-1")

        second = ask(workspace, learner_id="S-2")

        assert asked_about() == [(first.pk, second.pk)]

    @pytest.mark.parametrize("written", ["s-17", "S 0017", "S\u201117", "S017", "\uff33-17"])
    def test_whose_id_is_one_that_is_known_written_otherwise_is_a_question(
        self, workspace: Workspace, written: str
    ) -> None:
        first = ask(workspace, learner_id="S-17")

        second = ask(workspace, learner_id=written, email="other@costa.test")

        assert asked_about() == [(first.pk, second.pk)]

    def test_with_such_an_id_and_other_names_is_none(self, workspace: Workspace) -> None:
        ask(workspace, learner_id="S-17")

        ask(workspace, learner_id="s-17", email="other@costa.test", first_name="Bea", last_name="Lund")

        assert asked_about() == []

    def test_of_another_workspace_is_none(self, workspace: Workspace) -> None:
        ask(WorkspaceFactory())

        ask(workspace, first_name="Ana")

        assert asked_about() == []

    def test_is_a_question_for_each_of_several(self, workspace: Workspace) -> None:
        first, second = ask(workspace, learner_id="1"), ask(workspace, learner_id="2")

        third = ask(workspace, learner_id="3")

        assert asked_about() == [(first.pk, second.pk), (first.pk, third.pk), (second.pk, third.pk)]

    def test_at_an_office_that_enters_its_own_address_is_none(
        self, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(twins, "HOUSEHOLD_AT_MOST", 2)
        for name in ("Ana Maria", "Bea", "Cleo"):
            ask(workspace, first_name=name)

        ask(workspace, first_name="Ana")

        assert asked_about() == []


class TestAGuardianOfALearner:
    def test_who_answers_for_one_of_nearly_the_same_names_is_a_question(self, workspace: Workspace) -> None:
        guardian = GuardianFactory(workspace=workspace)
        first, second = ask(workspace), ask(workspace, email="ana@school.test", first_name="Ana")
        link_guardian(guardian_id=guardian.pk, learner_id=first.pk)

        link_guardian(guardian_id=guardian.pk, learner_id=second.pk)

        assert asked_about() == [(first.pk, second.pk)]

    def test_who_adds_a_child_by_a_proven_address_is_one_as_well(self, workspace: Workspace) -> None:
        first, second = ask(workspace), ask(workspace, email="ana@school.test", first_name="Ana")
        add_guardian(workspace_id=workspace.pk, learner_id=first.pk, email="parent@home.test")

        add_guardian(workspace_id=workspace.pk, learner_id=second.pk, email="parent@home.test")

        assert asked_about() == [(first.pk, second.pk)]

    def test_who_answers_for_siblings_is_none(self, workspace: Workspace) -> None:
        guardian = GuardianFactory(workspace=workspace)

        for name in ("Ana Maria", "Bea"):
            link_guardian(guardian_id=guardian.pk, learner_id=ask(workspace, first_name=name).pk)

        assert asked_about() == []

    def test_who_answers_for_a_whole_school_is_none(
        self, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(twins, "HOUSEHOLD_AT_MOST", 1)
        guardian = GuardianFactory(workspace=workspace)

        for address in ("one@costa.test", "two@costa.test"):
            link_guardian(guardian_id=guardian.pk, learner_id=ask(workspace, email=address).pk)

        assert asked_about() == []


class TestTheQuestion:
    def test_is_asked_once(self, workspace: Workspace) -> None:
        ask(workspace, learner_id="1")
        second = ask(workspace, learner_id="2")

        notice_possible_twins(learner=second)

        assert StaffTask.objects.count() == 1

    def test_is_not_asked_again_once_staff_said_that_they_are_two(self, workspace: Workspace) -> None:
        ask(workspace, learner_id="1")
        second = ask(workspace, learner_id="2")
        task = StaffTask.objects.get()
        complete_staff_task(task_id=task.pk, user=UserFactory(), resolution="Two people: cousins.", now=utc_now())

        notice_possible_twins(learner=second)

        assert list(StaffTask.objects.values_list("pk", "resolution")) == [(task.pk, "Two people: cousins.")]

    def test_is_asked_in_one_query_where_nobody_is_alike(
        self, workspace: Workspace, django_assert_num_queries: Any
    ) -> None:
        learner = LearnerFactory(workspace=workspace)

        with django_assert_num_queries(1):
            notice_possible_twins(learner=learner)
