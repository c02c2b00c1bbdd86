"""The page on which owners set how long data is kept."""

import datetime as dt
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from accounts.models import Workspace
from accounts.states import Role
from accounts.tests.factories import WorkspaceFactory
from backoffice.models import AuditEntry
from backoffice.tests.staff_client import StaffClient
from core.clock import utc_now
from notifications.models import Notification
from privacy.models import Forgotten, Retention

pytestmark = pytest.mark.django_db

ADD = reverse("admin:privacy_retention_add")


@pytest.fixture
def workspace() -> Workspace:
    return WorkspaceFactory()


@pytest.fixture
def owner(workspace: Workspace) -> StaffClient:
    return StaffClient(workspace=workspace, role=Role.OWNER)


def an_old_mail(workspace: Workspace) -> None:
    at = utc_now() - dt.timedelta(days=91)
    Notification.objects.create(
        workspace=workspace, kind="x", subject_key="x:1", recipient="a@b.test", status="sent", created_at=at, sent_at=at
    )


class TestThePage:
    def test_says_what_would_go_before_anything_does_and_what_went(
        self, workspace: Workspace, owner: StaffClient
    ) -> None:
        an_old_mail(workspace)

        owner.post(ADD, {"workspace": workspace.pk, "mails_days": "90"})
        retention = Retention.objects.get()
        page = reverse("admin:privacy_retention_change", args=[retention.pk])
        before = owner.get(page).content.decode()
        Retention.objects.update(changed_at=utc_now() - dt.timedelta(days=2))
        call_command("forget_overdue", stdout=StringIO())
        after = owner.get(page).content.decode()

        assert (retention.workspace, retention.days) == (workspace, {"mails": 90})
        assert ("Would be removed now" in before, "Nothing." in before, "Not yet" in before) == (True, True, True)
        assert ("Removed by the next runs" in after, "Removed in the last 30 days" in after) == (True, True)
        assert Forgotten.objects.get().rows == 1
        assert AuditEntry.objects.get(model="privacy.retention").actor == f"user:{owner.user.pk}"

    def test_names_the_shortest_time(self, workspace: Workspace, owner: StaffClient) -> None:
        refused = owner.post(ADD, {"workspace": workspace.pk, "mails_days": "89"}).content.decode()

        assert "Keep them for 90 days at least, or leave it empty to keep them." in refused
        assert not Retention.objects.exists()

    def test_starts_the_day_of_grace_anew_with_each_change(self, workspace: Workspace, owner: StaffClient) -> None:
        long_ago = utc_now() - dt.timedelta(days=9)
        retention = Retention.objects.create(workspace=workspace, mails_days=900, changed_at=long_ago)

        owner.post(reverse("admin:privacy_retention_change", args=[retention.pk]), {"mails_days": "90"})

        changed = Retention.objects.get()
        assert (changed.mails_days, changed.changed_at > long_ago) == (90, True)


class TestTheCommand:
    def run(self, *more: str) -> str:
        out = StringIO()
        call_command("forget_overdue", *more, stdout=out)
        return out.getvalue()

    def test_counts_first_and_then_does_it(self, workspace: Workspace) -> None:
        an_old_mail(workspace)
        Retention.objects.create(workspace=workspace, mails_days=90, changed_at=utc_now() - dt.timedelta(days=2))
        named = ("--workspace", workspace.slug, "--json")

        assert self.run(*named, "--dry-run") == '{"dry_run": true, "mails": 1}\n'
        assert self.run(*named) == '{"dry_run": false, "mails": 1}\n'
        assert not Notification.objects.exists()

    def test_refuses_a_workspace_that_has_set_nothing(self, workspace: Workspace) -> None:
        with pytest.raises(CommandError, match="that has retention settings"):
            self.run("--workspace", workspace.slug)
