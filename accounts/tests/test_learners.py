import threading
from typing import Any

import pytest
from django.db import close_old_connections, connection, transaction

from accounts import learners
from accounts.learners import find_or_create_learner
from accounts.models import Learner
from core.errors import Unavailable

from .factories import LearnerFactory, WorkspaceFactory

JANE: dict[str, Any] = {"email": "jane@school.test", "first_name": "Jane", "last_name": "Doe"}


def ask(workspace, **profile):
    with transaction.atomic():
        return find_or_create_learner(workspace_id=workspace.pk, **(JANE | profile))


@pytest.mark.django_db
class TestALearnerWithoutAnId:
    def test_is_made_in_two_statements(self, django_assert_num_queries):
        workspace = WorkspaceFactory()

        with django_assert_num_queries(2):  # the learner, and a search for possible twins
            learner, created = find_or_create_learner(workspace_id=workspace.pk, grade_level="3rd", **JANE)

        assert created
        stored = Learner.objects.get()
        assert (stored.pk, stored.cuid, stored.identity) == (learner.pk, learner.cuid, learner.identity)
        assert (stored.email, stored.grade_level, stored.external_id) == ("jane@school.test", "3rd", None)

    def test_is_recognized_in_three_statements(self, django_assert_num_queries):
        workspace = WorkspaceFactory()
        first, _ = ask(workspace)

        with django_assert_num_queries(3):  # an insert that does nothing, a lookup of who it is, a lock
            again, created = find_or_create_learner(workspace_id=workspace.pk, **JANE)

        assert (again, created) == (first, False)

    def test_is_recognized_whatever_the_case_and_spaces(self):
        workspace = WorkspaceFactory()
        first, _ = ask(workspace)

        again, created = ask(workspace, email="JANE@School.test", first_name=" jane ", last_name="DOE")

        assert (again, created) == (first, False)

    @pytest.mark.parametrize(
        "last_name",
        ["O\u2019Brien", "O\u02bcBrien", "O'Brien\u200b", "\u200fO'Brien", "O\u00b4BRIEN", " O'Brien\u00a0"],
    )
    def test_is_recognized_whatever_the_apostrophe_and_what_nobody_sees(self, last_name):
        workspace = WorkspaceFactory()
        first, _ = ask(workspace, first_name="Sean", last_name="O'Brien")

        again, created = ask(workspace, first_name="Sean", last_name=last_name)

        assert (again, created, again.last_name) == (first, False, "O'Brien")

    @pytest.mark.parametrize(("one", "other"), [("Anne-Marie", "Anne\u2011Marie"), ("\u0130smail", "I\u0307smail")])
    def test_is_recognized_whatever_the_dash_and_the_dot(self, one, other):
        workspace = WorkspaceFactory()
        first, _ = ask(workspace, first_name=one)

        assert ask(workspace, first_name=other) == (first, False)

    def test_is_somebody_else_at_a_domain_that_only_looks_alike(self):
        workspace = WorkspaceFactory()
        ask(workspace, email="kid@fu\u00dfball.test")

        _, created = ask(workspace, email="kid@fussball.test")

        assert created
        assert set(Learner.objects.values_list("email", flat=True)) == {
            "kid@xn--fuball-cta.test",
            "kid@fussball.test",
        }

    def test_is_somebody_else_than_a_sibling_at_the_same_address(self):
        workspace = WorkspaceFactory()
        ask(workspace)

        _, created = ask(workspace, first_name="John")

        assert created
        assert Learner.objects.count() == 2

    def test_is_somebody_else_in_another_workspace(self):
        ask(WorkspaceFactory())

        _, created = ask(WorkspaceFactory())

        assert created
        assert Learner.objects.count() == 2

    def test_is_recognized_as_one_the_workspace_numbered(self):
        workspace = WorkspaceFactory()
        numbered, _ = ask(workspace, learner_id="S-1")

        again, created = ask(workspace)

        assert (again, created) == (numbered, False)
        assert Learner.objects.count() == 1


@pytest.mark.django_db
class TestALearnerWithAnId:
    @pytest.mark.sqlite
    def test_is_made_with_it_as_external_id_in_three_statements(self, django_assert_num_queries):
        workspace = WorkspaceFactory()

        with django_assert_num_queries(3):  # a lookup of who it is, the learner, a search for possible twins
            learner, created = find_or_create_learner(workspace_id=workspace.pk, learner_id="S-1", **JANE)

        assert created
        assert (learner.external_id, learner.identity) == ("S-1", "ext:S-1")

    def test_is_found_by_our_cuid_whatever_else_is_said(self):
        workspace = WorkspaceFactory()
        known = LearnerFactory(workspace=workspace, external_id="S-9")
        LearnerFactory(workspace=workspace, **JANE)

        learner, created = ask(workspace, learner_id=known.cuid)

        assert (learner, created) == (known, False)
        known.refresh_from_db()
        assert known.external_id == "S-9"

    def test_keeps_having_no_external_id_when_found_by_cuid(self):
        workspace = WorkspaceFactory()
        known = LearnerFactory(workspace=workspace)

        learner, _ = ask(workspace, learner_id=known.cuid)

        assert (learner.pk, learner.external_id) == (known.pk, None)

    def test_is_found_by_external_id_before_by_person(self):
        workspace = WorkspaceFactory()
        LearnerFactory(workspace=workspace, **JANE)
        numbered = LearnerFactory(workspace=workspace, external_id="S-1")

        learner, created = ask(workspace, learner_id="S-1")

        assert (learner, created) == (numbered, False)

    def test_is_adopted_when_known_by_person_only(self):
        workspace = WorkspaceFactory()
        known, _ = ask(workspace)

        learner, created = ask(workspace, learner_id="S-1")

        assert (learner.pk, created) == (known.pk, False)
        stored = Learner.objects.get()
        assert (stored.external_id, stored.identity) == ("S-1", "ext:S-1")

    def test_is_not_mixed_up_with_a_namesake_who_has_another_id(self):
        workspace = WorkspaceFactory()
        ask(workspace, learner_id="S-1")

        learner, created = ask(workspace, learner_id="S-2")

        assert created
        assert learner.external_id == "S-2"
        assert Learner.objects.count() == 2

    def test_is_never_found_in_another_workspace(self):
        elsewhere = LearnerFactory(external_id="S-1")
        workspace = WorkspaceFactory()

        by_external_id, _ = ask(workspace, learner_id="S-1")
        by_cuid, created = ask(workspace, learner_id=elsewhere.cuid, first_name="June")

        assert created
        assert elsewhere.pk not in (by_external_id.pk, by_cuid.pk)
        assert {by_external_id.workspace_id, by_cuid.workspace_id} == {workspace.pk}

    def test_fills_in_what_was_unknown_and_keeps_what_was_known(self):
        workspace = WorkspaceFactory()
        ask(workspace, learner_id="S-1", grade_level="3rd")

        ask(workspace, learner_id="S-1", grade_level="4th", school="Lincoln Elementary")

        stored = Learner.objects.get()
        assert (stored.grade_level, stored.school) == ("3rd", "Lincoln Elementary")


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
class TestManyAskingAtOnce:
    def run_at_once(self, work, count=8):
        """Run `work(i)` in threads that all start together, and return what they returned."""
        barrier, answers = threading.Barrier(count), [None] * count

        def run(i):
            close_old_connections()
            try:
                barrier.wait(10)
                answers[i] = work(i)
            finally:
                connection.close()

        threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        return answers

    @pytest.mark.parametrize("learner_id", [None, "S-1"])
    def test_make_one_learner(self, learner_id):
        workspace = WorkspaceFactory()

        answers = self.run_at_once(lambda i: ask(workspace, learner_id=learner_id))

        assert Learner.objects.count() == 1
        assert len({learner.pk for learner, _ in answers}) == 1
        assert sum(created for _, created in answers) == 1

    def test_adopt_one_learner(self):
        workspace = WorkspaceFactory()
        known, _ = ask(workspace)

        answers = self.run_at_once(lambda i: ask(workspace, learner_id="S-1"))

        assert {learner.pk for learner, _ in answers} == {known.pk}
        assert Learner.objects.get().external_id == "S-1"

    def test_without_the_unique_identity_make_several(self):
        """Negative control: check, then insert, as the described router did."""
        workspace = WorkspaceFactory()
        checked = threading.Barrier(4)

        def check_then_insert(i):
            found = Learner.objects.filter(workspace=workspace, email=JANE["email"]).first()
            checked.wait(10)
            if found is None:
                LearnerFactory(workspace=workspace, external_id=f"control-{i}", **JANE)

        self.run_at_once(check_then_insert, count=4)

        assert Learner.objects.count() == 4

    def test_wait_for_each_other(self):
        workspace = WorkspaceFactory()
        ask(workspace)
        order, holding = [], threading.Event()

        def work(i):
            if i == 1:
                holding.wait(10)
            with transaction.atomic():
                find_or_create_learner(workspace_id=workspace.pk, **JANE)
                holding.set()
                waiting = threading.Event()
                waiting.wait(0.2 if i == 0 else 0)
                order.append(i)

        self.run_at_once(work, count=2)

        assert order == [0, 1]


@pytest.mark.django_db
class TestALearnerWhoIsGoneWhenTheInsertFails:
    """Somebody with the same address and names stood in its way, and has been removed or renamed since."""

    def test_is_looked_for_and_inserted_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        blocking = LearnerFactory(**JANE)

        def rename_and_find_nobody(asked: Learner) -> None:
            renamed = Learner.objects.get(pk=blocking.pk)
            renamed.first_name = "Joan"
            renamed.save()

        monkeypatch.setattr(learners, "_find", rename_and_find_nobody)
        found, is_new = find_or_create_learner(workspace_id=blocking.workspace_id, **JANE)

        assert is_new
        assert found != blocking

    def test_is_unavailable_if_that_goes_on(self, monkeypatch: pytest.MonkeyPatch) -> None:
        blocking = LearnerFactory(**JANE)
        monkeypatch.setattr(learners, "_find", lambda asked: None)

        with pytest.raises(Unavailable):
            find_or_create_learner(workspace_id=blocking.workspace_id, **JANE)
