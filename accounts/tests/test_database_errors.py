import pytest
from django.db import IntegrityError, connection, transaction

from accounts.models import Guardian
from accounts.tests.factories import WorkspaceFactory
from core.database_errors import violated_by, violates

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]
ADDRESS = "ana@home.test"


@pytest.fixture
def workspace_id() -> int:
    workspace = WorkspaceFactory()
    Guardian.objects.create(workspace=workspace, email=ADDRESS, external_id="G-1")
    return int(workspace.pk)


def refused(**columns: object) -> IntegrityError:
    with pytest.raises(IntegrityError) as refusal, transaction.atomic():
        Guardian.objects.create(**columns)
    return refusal.value


def test_a_unique_constraint_is_recognized(workspace_id: int) -> None:
    error = refused(workspace_id=workspace_id, email=ADDRESS, external_id="G-2")

    assert violates(error, "guardian_email_unique")
    assert not violates(error, "guardian_external_id_unique")


def test_a_rule_about_one_row_is_not_taken_for_it(workspace_id: int) -> None:
    error = refused(workspace_id=workspace_id, email=None, external_id=None)

    assert violated_by(error) == "guardian_known_by_something"
    assert not violates(error, "guardian_email_unique")


def test_a_missing_value_is_told_by_its_column(workspace_id: int) -> None:
    error = refused(workspace_id=None, email="ben@home.test")

    assert violated_by(error) == "accounts_guardian.workspace_id"
    assert not violates(error, "guardian_email_unique")


def test_what_is_logged_contains_no_values(workspace_id: int) -> None:
    error = refused(workspace_id=workspace_id, email=ADDRESS, external_id="G-2")

    assert ADDRESS in str(error) or connection.vendor != "postgresql"
    assert ADDRESS not in violated_by(error)


def test_a_constraint_that_no_model_has_is_a_bug(workspace_id: int) -> None:
    error = refused(workspace_id=workspace_id, email=ADDRESS, external_id="G-2")

    with pytest.raises(LookupError, match="no model has a unique constraint guardian_mail_unique"):
        violates(error, "guardian_mail_unique")
