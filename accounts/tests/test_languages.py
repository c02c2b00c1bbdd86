"""The language of a page: the account's, else the browser's, else English."""

import pytest
from django.test import Client

from accounts.languages import choose_language, language_of_address
from accounts.models import User
from accounts.tests.factories import UserFactory, WorkspaceFactory, proven_user
from core.errors import Invalid

pytestmark = pytest.mark.django_db

ES, PL, EN = "Ir al contenido", "Przejdź do treści", "Skip to the content"


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def language_of(client: Client, path: str = "/courses", **headers: str) -> str:
    """Return the language the page declares, after checking that it is in it."""
    page = client.get(path, headers=headers).content.decode()
    language = page.split('<html lang="')[1][:2]
    assert {"es": ES, "pl": PL, "en": EN}[language] in page
    return language


class TestAPage:
    @pytest.mark.parametrize(
        ("accepted", "language"),
        [("es-MX,es;q=0.9", "es"), ("pl", "pl"), ("de,pl;q=0.5", "pl"), ("de", "en"), ("", "en"), ("*;q=x", "en")],
    )
    def test_is_in_the_language_of_the_browser(self, client: Client, accepted: str, language: str) -> None:
        assert language_of(client, **{"Accept-Language": accepted}) == language

    @pytest.mark.sqlite
    def test_is_in_the_language_of_the_account_whatever_the_browser_says(self) -> None:
        user = proven_user("ana@home.test")
        choose_language(user=user, language="pl")

        assert language_of(signed_in(user), "/my/enrollments", **{"Accept-Language": "es"}) == "pl"

    @pytest.mark.sqlite
    def test_tells_caches_what_it_depends_on(self, client: Client) -> None:
        answer = client.get("/courses", headers={"Accept-Language": "es"})

        assert answer["Content-Language"] == "es"
        assert "Accept-Language" in answer["Vary"]

    def test_about_an_address_that_leads_nowhere_is_translated(self, client: Client) -> None:
        answer = client.get("/nowhere", headers={"Accept-Language": "es"})

        assert answer.status_code == 404
        assert "Aquí no hay nada" in answer.content.decode()

    def test_leaves_the_next_reader_in_theirs(self, client: Client) -> None:
        assert language_of(client, **{"Accept-Language": "pl"}) == "pl"
        assert language_of(client) == "en"


class TestTheSwitch:
    def test_lasts_in_the_browser_of_somebody_who_is_not_signed_in(self, client: Client) -> None:
        answer = client.post("/accounts/language", {"language": "es", "next": "/courses?search=a"})

        assert answer["Location"] == "/courses?search=a"
        assert language_of(client, **{"Accept-Language": "pl"}) == "es"

    def test_is_kept_with_the_account_of_somebody_who_is(self) -> None:
        user = proven_user("ana@home.test")

        signed_in(user).post("/accounts/language", {"language": "es"})

        assert User.objects.get(pk=user.pk).language == "es"
        assert language_of(signed_in(user), "/my/enrollments") == "es"

    @pytest.mark.parametrize("language", ["de", "", "en-us;", "x" * 300])
    def test_knows_no_other_language(self, language: str) -> None:
        user = proven_user("ana@home.test")

        signed_in(user).post("/accounts/language", {"language": language})

        assert User.objects.get(pk=user.pk).language == ""

    def test_leads_to_no_other_site(self, client: Client) -> None:
        answer = client.post("/accounts/language", {"language": "es", "next": "https://evil.example/"})

        assert answer["Location"] == "/"

    def test_needs_the_page_it_stands_on(self) -> None:
        answer = Client(enforce_csrf_checks=True).post("/accounts/language", {"language": "es"})

        assert answer.status_code == 403


class TestEnglish:
    @pytest.mark.sqlite
    def test_is_what_staff_read(self, admin_client: Client) -> None:
        page = admin_client.get("/admin/", headers={"Accept-Language": "es"}).content.decode()

        assert '<html lang="en' in page

    def test_is_what_the_api_answers_in(self, client: Client) -> None:
        answer = client.get("/api/nowhere", headers={"Accept-Language": "es"})

        assert answer.json()["detail"] == "There is nothing at this address."


class TestAMail:
    def test_is_written_in_the_language_of_its_receivers_account(self) -> None:
        workspace = WorkspaceFactory(language="pl")
        UserFactory(email="ana@home.test", language="es")

        assert language_of_address("ana@home.test", workspace_id=workspace.pk) == "es"

    def test_is_written_in_the_workspaces_where_nobody_chose(self) -> None:
        workspace = WorkspaceFactory(language="pl")
        UserFactory(email="ana@home.test")

        assert language_of_address("ana@home.test", workspace_id=workspace.pk) == "pl"
        assert language_of_address("other@home.test", workspace_id=workspace.pk) == "pl"


def test_no_other_language_can_be_chosen() -> None:
    user = UserFactory()

    with pytest.raises(Invalid):
        choose_language(user=user, language="de")

    assert User.objects.get(pk=user.pk).language == ""
