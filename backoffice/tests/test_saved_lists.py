"""A list's columns and filters, as each staff member saves them."""

from typing import Any

import pytest
from django.urls import reverse

from accounts.models import Learner, User, Workspace
from accounts.states import Role
from accounts.tests.factories import LearnerFactory, WorkspaceFactory
from backoffice.admin.people import LearnerAdmin
from backoffice.exporting.lists import ListSource, source_name
from backoffice.models import AuditEntry, Export, SavedList
from backoffice.tests.staff_client import StaffClient

pytestmark = pytest.mark.django_db

LIST = "/admin/accounts/learner/"
SETTINGS = "/admin/lists/accounts.learner/"
THIS_YEAR = "created_at__year=2026"


@pytest.fixture
def workspace() -> Workspace:
    return WorkspaceFactory(slug="north", name="North")


@pytest.fixture
def owner(workspace: Workspace) -> StaffClient:
    return StaffClient(workspace=workspace, role=Role.OWNER)


@pytest.fixture
def colleague(workspace: Workspace) -> StaffClient:
    return StaffClient(workspace=workspace, role=Role.VIEWER)


def save(client: StaffClient, *, query: str = THIS_YEAR, name: str = "This year", **more: Any) -> Any:
    return client.post(SETTINGS, {"do": "save", "name": name, "query": query, **more})


def offered(client: StaffClient) -> list[tuple[str, str]]:
    return [(kept.name, kept.url) for kept in client.get(LIST).context["cl"].kept_filters]


def columns(client: StaffClient) -> list[str]:
    return [name for name in client.get(LIST).context["cl"].list_display if name != "action_checkbox"]


class TestColumns:
    def test_that_somebody_hides_are_hidden_from_them_alone(self, owner: StaffClient, colleague: StaffClient) -> None:
        before = columns(owner)

        owner.post(SETTINGS, {"do": "columns", "shown": before[1:]})

        assert columns(owner) == before[1:]
        assert columns(colleague) == before
        assert owner.get(SETTINGS).context["columns"].initial["shown"] == before[1:]

    def test_that_a_list_hides_at_first_are_there_to_choose_and_in_its_export(
        self, owner: StaffClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        every = columns(owner)
        monkeypatch.setattr(LearnerAdmin, "hidden_at_first", frozenset(every[1:3]))
        user = User.objects.get(pk=owner.session["_auth_user_id"])
        export = Export(source=source_name(Learner), requested_by=user)

        begun = (columns(owner), len(ListSource().columns(export)))
        form = owner.get(SETTINGS).context["columns"]
        owner.post(SETTINGS, {"do": "columns", "shown": every[:2]})

        assert begun == ([every[0], *every[3:]], len(every))
        assert form.initial["shown"] == [every[0], *every[3:]]
        assert [name for name, _ in form.fields["shown"].choices] == every
        assert (columns(owner), len(ListSource().columns(export))) == (every[:2], 2)

    def test_that_a_list_hides_at_first_are_all_shown_to_whoever_chose_all(
        self, owner: StaffClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        every = columns(owner)
        monkeypatch.setattr(LearnerAdmin, "hidden_at_first", frozenset(every[1:3]))

        owner.post(SETTINGS, {"do": "columns", "shown": every})

        assert columns(owner) == every

    @pytest.mark.parametrize("shown", [[], ["password"]])
    def test_are_at_least_one_and_the_list_s_own(self, owner: StaffClient, shown: list[str]) -> None:
        page = owner.post(SETTINGS, {"do": "columns", "shown": shown})

        assert list(page.context["columns"].errors) == ["shown"]
        assert not SavedList.objects.exists()


class TestAFilter:
    def test_is_offered_above_the_list_to_whoever_saved_it(self, owner: StaffClient, colleague: StaffClient) -> None:
        answer = save(owner, query=f"{THIS_YEAR}&p=3&q=Larsen")

        assert answer.url == f"{LIST}?{THIS_YEAR}"
        assert offered(owner) == [("This year", f"?{THIS_YEAR}")]
        assert offered(colleague) == []
        assert not AuditEntry.objects.exists()

    def test_that_is_shared_shows_to_each_what_they_may_see(
        self, workspace: Workspace, owner: StaffClient, colleague: StaffClient
    ) -> None:
        stranger = StaffClient(workspace=WorkspaceFactory(), role=Role.OWNER)
        mine, _ = LearnerFactory(workspace=workspace), LearnerFactory()

        save(owner, workspace=workspace.pk)

        assert offered(colleague) == [("This year", f"?{THIS_YEAR}")]
        assert offered(stranger) == []
        assert list(colleague.get(f"{LIST}?{THIS_YEAR}").context["cl"].result_list) == [mine]
        assert AuditEntry.objects.get().workspace == workspace

    @pytest.mark.parametrize(
        "query", ["", "p=2&q=Larsen", "user__password__startswith=a", "email=a", "created_at__year=x"]
    )
    def test_keeps_only_what_the_list_offers(self, owner: StaffClient, query: str) -> None:
        page = save(owner, query=query)

        assert page.status_code == 200
        assert list(page.context["saved"].errors) == ["query"]
        assert not SavedList.objects.exists()

    def test_is_shared_only_where_its_owner_works(self, colleague: StaffClient, workspace: Workspace) -> None:
        """A viewer shares nothing, and nobody shares with a workspace that is not theirs."""
        page = save(colleague, workspace=workspace.pk)

        assert list(page.context["saved"].errors) == ["workspace"]

    def test_has_a_name_once(self, owner: StaffClient) -> None:
        save(owner)

        assert list(save(owner).context["saved"].errors) == ["name"]

    def test_is_deleted_by_its_owner_or_by_who_manages_the_workspace(
        self, workspace: Workspace, owner: StaffClient, colleague: StaffClient
    ) -> None:
        reviewer = StaffClient(workspace=workspace, role=Role.REVIEWER)
        save(reviewer, workspace=workspace.pk)
        forget = {"do": "forget", "filter": SavedList.objects.get().pk}

        refused = colleague.post(SETTINGS, forget)
        kept = SavedList.objects.count()
        done = owner.post(SETTINGS, forget)

        assert (refused.status_code, kept, done.status_code) == (404, 1, 302)
        assert not SavedList.objects.exists()
        assert [entry.action for entry in AuditEntry.objects.order_by("pk")] == ["Share a filter", "Delete a filter"]


class TestThePage:
    @pytest.mark.parametrize("label", ["accounts.nothing", "nonsense", "auth.group", "accounts.apikey"])
    def test_is_there_only_for_lists_that_the_person_sees(self, colleague: StaffClient, label: str) -> None:
        assert colleague.get(reverse("list-settings", args=[label])).status_code == 404

    def test_is_closed_to_those_who_are_no_staff(self, client: Any) -> None:
        assert client.get(SETTINGS).status_code == 302

    def test_of_every_list_opens(self, owner: StaffClient) -> None:
        page = owner.get(SETTINGS, {"query": THIS_YEAR})

        assert page.status_code == 200
        assert page.context["is_filtered"]
        assert str(Learner._meta.verbose_name_plural) in page.context["title"]
