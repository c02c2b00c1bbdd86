"""When the demo is loaded, and when it is not."""

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from accounts.models import Workspace
from accounts.tests.factories import WorkspaceFactory
from sandbox.testing import free_port


@pytest.mark.django_db
class TestLoadDemo:
    def test_refuses_where_money_is_real(self, settings: Settings) -> None:
        settings.SANDBOX = False

        with pytest.raises(CommandError, match="SANDBOX=1"):
            call_command("load_demo")

        assert not Workspace.objects.exists()

    def test_refuses_a_database_in_use(self) -> None:
        WorkspaceFactory(slug="real")

        with pytest.raises(CommandError, match="data already"):
            call_command("load_demo")

        assert [workspace.slug for workspace in Workspace.objects.all()] == ["real"]

    def test_does_nothing_to_a_database_in_use_if_told_so(self) -> None:
        WorkspaceFactory(slug="real")

        call_command("load_demo", "--if-empty")

        assert [workspace.slug for workspace in Workspace.objects.all()] == ["real"]

    def test_refuses_while_the_sandbox_can_not_be_told(self, settings: Settings) -> None:
        settings.SANDBOX_URL = f"http://127.0.0.1:{free_port()}"

        with pytest.raises(CommandError, match=r"start it first: python -m sandbox"):
            call_command("load_demo")

        assert not Workspace.objects.exists()
