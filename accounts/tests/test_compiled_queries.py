import datetime as dt
from typing import Any

import pytest
from django.db import connections
from django.db.models import BooleanField, ExpressionWrapper, F, Q, QuerySet
from django.db.transaction import TransactionManagementError

from core.compiled import compiled, compiled_update

from ..models import Learner, Workspace
from .factories import LearnerFactory, WorkspaceFactory

LONG_AGO = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
LATER = dt.datetime(2100, 1, 1, tzinfo=dt.UTC)


@compiled
def _learner(learner_id: int) -> QuerySet[Learner]:
    return Learner.objects.select_related("workspace", "merged_into").filter(pk=learner_id)


@compiled
def _learner_told_of(learner_id: int) -> QuerySet[Learner]:
    known = ExpressionWrapper(Q(school="North"), BooleanField())
    return Learner.objects.annotate(known=known, place=F("workspace__name")).filter(pk=learner_id)


@compiled
def _learner_to_change(learner_id: int) -> QuerySet[Learner]:
    return Learner.objects.select_for_update().filter(pk=learner_id)


@compiled
def _names_among(learner_ids: list[int], before: dt.datetime) -> QuerySet[Learner, tuple[str, int]]:
    made = Learner.objects.filter(pk__among=learner_ids, created_at__lt=before).order_by("first_name")
    return made.values_list("first_name", "workspace")


@compiled
def _keys_in(workspace: int) -> QuerySet[Learner, int]:
    return Learner.objects.filter(workspace=workspace).order_by("pk").values_list("pk", flat=True)


@compiled_update
def _rename(workspace: int, name: str, since: dt.datetime) -> tuple[QuerySet[Learner], dict[str, object]]:
    return Learner.objects.filter(workspace=workspace), {
        "first_name": name,
        "last_name": F("school"),
        "created_at": since,
    }


@pytest.mark.django_db
@pytest.mark.sqlite
class TestACompiledQuery:
    def test_gives_what_the_query_gives(self, django_assert_num_queries):
        learner = LearnerFactory.create(address={"city": "Chicago"})

        with django_assert_num_queries(1):
            found = _learner.get(learner.pk)
            assert found.workspace.name == learner.workspace.name

        usual = Learner.objects.select_related("workspace", "merged_into").get(pk=learner.pk)
        assert {**found.__dict__, "_state": 0} == {**usual.__dict__, "_state": 0}
        assert found._state.fields_cache.keys() == usual._state.fields_cache.keys()

    def test_gives_what_rows_are_annotated_with(self):
        here = LearnerFactory.create(school="North")
        there = LearnerFactory.create(school="South")

        found: list[Any] = [_learner_told_of.get(learner.pk) for learner in (here, there)]

        told = [(learner.known, learner.place) for learner in found]
        assert told == [(True, here.workspace.name), (False, there.workspace.name)]
        assert found == [here, there]

    def test_takes_lists_and_moments_and_gives_tuples_or_single_values(self):
        workspace: Workspace = WorkspaceFactory.create()
        one, other, third = (
            LearnerFactory.create(workspace=workspace, first_name=name) for name in ("Ada", "Bea", "Cy")
        )

        assert _names_among.all([other.pk, one.pk], LATER) == [("Ada", workspace.pk), ("Bea", workspace.pk)]
        assert _names_among.all([one.pk], LONG_AGO) == []
        assert _names_among.all([], LATER) == []
        assert _keys_in.all(workspace.pk) == [one.pk, other.pk, third.pk]
        assert _keys_in.first(workspace.pk) == one.pk

    def test_says_which_row_is_not_there(self):
        assert _learner.first(0) is None
        with pytest.raises(Learner.DoesNotExist):
            _learner.get(0)

    def test_changes_rows_and_says_how_many(self):
        learner = LearnerFactory.create(school="Elm")
        apart = LearnerFactory.create()

        assert _rename.run(learner.workspace_id, "Zoe", LONG_AGO) == 1

        learner.refresh_from_db()
        assert (learner.first_name, learner.last_name, learner.created_at) == ("Zoe", "Elm", LONG_AGO)
        assert Learner.objects.get(pk=apart.pk).first_name == apart.first_name


@pytest.mark.django_db
def test_a_compiled_query_locks_nothing_outside_of_a_transaction(monkeypatch):
    assert _learner_to_change.first(0) is None  # compiles it
    monkeypatch.setattr(connections["default"], "in_atomic_block", False)

    with pytest.raises(TransactionManagementError):
        _learner_to_change.first(0)
