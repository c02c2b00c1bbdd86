import datetime as dt

import pytest

from accounts import staff_tasks
from accounts.models import StaffTask
from accounts.staff_tasks import TaskAlreadyDone, complete_staff_task, raise_staff_task
from accounts.states import TaskStatus
from accounts.task_kinds import NO_ADDRESS
from core.clock import utc_now
from core.errors import Invalid, NotFound
from core.rows import insert_unless_present

from .factories import UserFactory, WorkspaceFactory

NOON = dt.datetime(2026, 9, 1, 12, tzinfo=dt.UTC)


def raise_task(workspace, *, kind=NO_ADDRESS, subject="guardian:12", summary="Guardian 12 has no address"):
    return raise_staff_task(workspace_id=workspace.pk, kind=kind, subject=subject, summary=summary)


@pytest.mark.django_db
class TestRaisingATask:
    def test_twice_leaves_one_open_task(self):
        workspace = WorkspaceFactory()
        first = raise_task(workspace)

        second = raise_task(workspace, summary="Guardian 12 still has no address")

        assert second == first
        assert StaffTask.objects.get().summary == "Guardian 12 has no address"

    def test_after_it_was_done_opens_another(self):
        workspace = WorkspaceFactory()
        first = raise_task(workspace)
        complete_staff_task(
            task_id=first.pk, user=UserFactory(), resolution="Paid back by bank transfer", now=utc_now()
        )

        second = raise_task(workspace)

        assert second != first
        assert second.status == TaskStatus.OPEN

    def test_opens_another_if_it_is_done_at_that_moment(self, monkeypatch):
        workspace, user = WorkspaceFactory(), UserFactory()
        first = raise_task(workspace)

        def complete_after_trying(task):
            inserted = insert_unless_present(task)
            if not inserted:
                complete_staff_task(task_id=first.pk, user=user, resolution="Called them", now=utc_now())
            return inserted

        monkeypatch.setattr(staff_tasks, "insert_unless_present", complete_after_trying)

        second = raise_task(workspace)

        assert second != first
        assert second.status == TaskStatus.OPEN


@pytest.mark.django_db
class TestCompletingATask:
    def test_keeps_who_when_and_how(self):
        task, user = raise_task(WorkspaceFactory()), UserFactory()

        complete_staff_task(task_id=task.pk, user=user, resolution=" Paid back by bank transfer ", now=NOON)

        task.refresh_from_db()
        assert (task.status, task.done_by, task.done_at) == (TaskStatus.DONE, user, NOON)
        assert task.resolution == "Paid back by bank transfer"

    def test_needs_a_resolution(self):
        task = raise_task(WorkspaceFactory())

        with pytest.raises(Invalid):
            complete_staff_task(task_id=task.pk, user=UserFactory(), resolution="  ", now=utc_now())

        task.refresh_from_db()
        assert task.status == TaskStatus.OPEN

    def test_happens_once(self):
        task, first = raise_task(WorkspaceFactory()), UserFactory()
        complete_staff_task(task_id=task.pk, user=first, resolution="Done", now=utc_now())

        with pytest.raises(TaskAlreadyDone):
            complete_staff_task(task_id=task.pk, user=UserFactory(), resolution="Me too", now=utc_now())

        task.refresh_from_db()
        assert (task.done_by, task.resolution) == (first, "Done")

    def test_refuses_an_unknown_task(self):
        with pytest.raises(NotFound):
            complete_staff_task(task_id=404, user=UserFactory(), resolution="Done", now=utc_now())
