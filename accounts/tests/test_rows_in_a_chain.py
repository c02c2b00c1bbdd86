import pytest
from django.db import IntegrityError, connection, transaction

from core.rows import insert_chain

from ..models import Learner, Workspace
from .factories import LearnerFactory, WorkspaceFactory


def chain(**change: str) -> tuple[Workspace, Learner]:
    workspace = Workspace(slug="new", name="New", **change)
    learner = LearnerFactory.build(workspace=workspace)
    learner.derive_identity()
    return workspace, learner


@pytest.mark.django_db
@pytest.mark.sqlite
class TestInsertingAChain:
    def test_stores_each_row_with_the_keys_of_those_before(self, django_assert_num_queries):
        workspace, learner = chain()

        with django_assert_num_queries(1 if connection.vendor == "postgresql" else 2):
            insert_chain([workspace, learner])

        assert Learner.objects.get(workspace=workspace.pk).pk == learner.pk
        assert (learner.workspace_id, learner.workspace) == (workspace.pk, workspace)
        learner.first_name = "Changed"
        learner.save()

    def test_stores_none_of_them_when_one_is_refused(self):
        WorkspaceFactory.create(slug="new")
        workspace, learner = chain()

        with pytest.raises(IntegrityError), transaction.atomic():
            insert_chain([workspace, learner])

        assert not Learner.objects.exists()
