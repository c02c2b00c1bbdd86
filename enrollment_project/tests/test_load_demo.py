"""When the demo is loaded and when it is not, and what is printed meanwhile."""

import dataclasses
from io import StringIO
from pathlib import Path

import httpx
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from pytest_django import Settings

from accounts.models import User, Workspace
from accounts.tests.factories import WorkspaceFactory
from billing.models import Checkout, StripeEvent
from demo import courses, load
from demo.catalog import ORGANIZATIONS
from demo.progress import AlreadyLoading, announced, loaded_percent
from enrollment_project.management.commands import load_demo as command
from operations.doctor import examine
from sandbox.testing import SandboxProcess, free_port

SMALL = tuple(dataclasses.replace(organization, families=2) for organization in ORGANIZATIONS)


# One transaction loads an organization, whose rows nobody else knows yet.
pytestmark = pytest.mark.unordered_locks


@pytest.fixture
def folder(settings: Settings, tmp_path: Path) -> Path:
    settings.VAR_DIR = tmp_path
    return tmp_path


@pytest.fixture
def small(stripe: SandboxProcess, settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch) -> SandboxProcess:
    """The command loads two small organizations without courses, which take longest, and tells this sandbox, in a
    folder of its own.
    """
    settings.SANDBOX_URL = stripe.url
    monkeypatch.setattr(courses, "COURSES", {})
    monkeypatch.setattr(command, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(command, "list_missing", lambda: load.list_missing(SMALL))
    return stripe


def slugs() -> list[str]:
    return list(Workspace.objects.order_by("pk").values_list("slug", flat=True))


@pytest.mark.django_db
class TestLoadDemo:
    def test_refuses_where_money_is_real(self, settings: Settings) -> None:
        settings.SANDBOX = False

        with pytest.raises(CommandError, match="SANDBOX=1"):
            call_command("load_demo")

        assert not Workspace.objects.exists()

    def test_refuses_a_database_in_use(self) -> None:
        WorkspaceFactory(slug="real")

        with pytest.raises(CommandError, match="only be loaded into an empty database"):
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


@pytest.mark.walk
@pytest.mark.django_db(transaction=True)
class TestALoadThatIsInterrupted:
    def test_after_an_organization_goes_on_with_the_next(self, small: SandboxProcess) -> None:
        load.load_organization(SMALL[0])
        events = StripeEvent.objects.count()

        call_command("load_demo", stdout=StringIO())

        assert slugs() == ["bright-futures", "harbor-skills"]
        assert StripeEvent.objects.count() > events > 0
        assert User.objects.filter(is_staff=True).count() == 6
        assert examine() == {}

    def test_in_an_organization_leaves_nothing_of_it_and_begins_it_anew(
        self, small: SandboxProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def die(workspace: Workspace) -> None:
            raise httpx.ConnectError("the sandbox went away")

        with monkeypatch.context() as dying:
            dying.setattr(command, "tell_sandbox", die)
            with pytest.raises(httpx.ConnectError):
                call_command("load_demo", stdout=StringIO())
        left = slugs()

        call_command("load_demo", stdout=StringIO())

        assert left == []
        assert slugs() == ["bright-futures", "harbor-skills"]

    def test_has_told_the_sandbox_of_whatever_it_leaves(
        self, small: SandboxProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Otherwise the sweeps would end open checkouts that Stripe's stand-in does not know."""
        told: list[bool] = []

        def tell(workspace: Workspace) -> None:
            told.append(connection.in_atomic_block and Checkout.objects.filter(workspace=workspace).exists())

        monkeypatch.setattr(command, "tell_sandbox", tell)

        call_command("load_demo", stdout=StringIO())

        assert told == [True, True]

    def test_is_not_taken_up_in_a_database_that_is_used_for_something_else(self) -> None:
        WorkspaceFactory(slug="real")

        assert load.list_missing(SMALL) == []


class TestTheProgress:
    @pytest.mark.walk
    @pytest.mark.django_db(transaction=True)
    def test_is_told_in_tenths_and_on_pages(self, small: SandboxProcess, monkeypatch: pytest.MonkeyPatch) -> None:
        seen = []
        monkeypatch.setattr(command, "tell_sandbox", lambda workspace: seen.append(loaded_percent()))
        output = StringIO()

        call_command("load_demo", stdout=output)

        told = [line for line in output.getvalue().splitlines() if line.startswith("Loading the demo data: ")]
        assert 2 <= len(told) <= 10
        assert told == sorted(set(told), key=told.index)
        assert seen[0] is not None
        assert 0 < seen[0] <= 50
        assert loaded_percent() is None

    @pytest.mark.django_db
    @pytest.mark.parametrize("page", ["/", "/admin/login/"])
    def test_is_on_pages_while_it_goes_on(self, folder: Path, client: Client, page: str) -> None:
        with announced() as announce:
            announce(40)
            during = client.get(page).content.decode()
        after = client.get(page).content.decode()

        assert "The demo data is still being loaded (40&nbsp;%)" in during
        assert "being loaded" not in after

    def test_left_behind_by_a_load_that_was_killed_counts_for_nothing(self, folder: Path) -> None:
        (folder / "loading").write_text("40")

        assert loaded_percent() is None

    def test_is_of_one_load_at_a_time(self, folder: Path) -> None:
        with announced() as announce:
            announce(40)
            with pytest.raises(AlreadyLoading), announced():
                pass

            assert loaded_percent() == 40
