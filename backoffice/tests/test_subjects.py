"""Staff read the names of what a task is about, as they are now, though the task contains none."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Learner, StaffTask, Workspace
from accounts.staff_tasks import raise_staff_task
from accounts.states import Role
from accounts.task_kinds import NAME_ASKED, TWINS
from accounts.tests.factories import LearnerFactory, WorkspaceFactory
from backoffice.display import link_subject
from backoffice.subjects import find_gone, find_subjects, name_subject

from .staff_client import StaffClient

pytestmark = pytest.mark.django_db

LIST = reverse("admin:accounts_stafftask_changelist")


@pytest.fixture
def workspace() -> Workspace:
    return WorkspaceFactory()


def learner_called(first_name: str, workspace: Workspace) -> Learner:
    return LearnerFactory(workspace=workspace, first_name=first_name, last_name="Rivera")


def task_about(*learners: Learner) -> StaffTask:
    kind = NAME_ASKED if len(learners) == 1 else TWINS
    subject = "/".join(f"learner:{learner.pk}" for learner in learners)
    return raise_staff_task(
        workspace_id=learners[0].workspace_id, kind=kind, subject=subject, summary="Have a look at it."
    )


class TestASubject:
    def test_is_found_by_number_and_by_cuid(self, workspace: Workspace) -> None:
        ana, ben = (learner_called(name, workspace) for name in ("Ana", "Ben"))

        assert find_subjects([f"learner:{ana.pk}", f"learner:{ben.cuid}/exit/12"]) == {
            f"learner:{ana.pk}": ana,
            f"learner:{ben.cuid}": ben,
        }

    @pytest.mark.parametrize("text", ["learner:999999", "learner:nobody", "stripe-event:1", "", "payment:x", "12"])
    def test_that_is_gone_or_has_no_page_is_not_found_and_stays_as_it_is_stored(self, text: str) -> None:
        found = find_subjects([text])

        assert found == {}
        assert text in str(link_subject(text, found))

    def test_that_is_gone_is_told_from_what_is_there_or_has_no_page(self, workspace: Workspace) -> None:
        ana = learner_called("Ana", workspace)
        texts = [f"learner:{ana.pk}/learner:999999", f"learner:{ana.cuid}", "learner:nobody/exit/12", "stripe-event:1"]

        assert find_gone(texts) == {"learner:999999", "learner:nobody"}

    def test_is_called_by_the_names_of_today(self, workspace: Workspace) -> None:
        ana, ben = (learner_called(name, workspace) for name in ("Ana", "Ben"))
        task = task_about(ana, ben)
        Learner.objects.filter(pk=ana.pk).update(first_name="Anna")

        assert name_subject(task, "subject") == "Anna Rivera / Ben Rivera"
        assert "Rivera" not in task.summary + task.subject


class TestTheListOfTasks:
    def test_names_them_with_as_many_queries_for_twenty_as_for_two(self, workspace: Workspace) -> None:
        staff = StaffClient(workspace=workspace, role=Role.ADMIN)
        tasks = [task_about(learner_called(f"Ana{number}", workspace)) for number in range(2)]
        staff.get(LIST)

        with CaptureQueriesContext(connection) as for_two:
            page = staff.get(LIST).content.decode()
        tasks += [task_about(learner_called(f"Ana{number}", workspace)) for number in range(2, 20)]
        with CaptureQueriesContext(connection) as for_twenty:
            longer = staff.get(LIST).content.decode()

        assert "Ana1 Rivera</a>" in page
        assert "Ana19 Rivera</a>" in longer
        assert len(for_two) == len(for_twenty)
        assert not any(task.subject in longer for task in tasks)
