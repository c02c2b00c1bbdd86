"""The lookup `among`, next to Django's `in`."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Workspace
from accounts.tests.factories import WorkspaceFactory

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]


def slugs_among(*slugs: str | None) -> list[str]:
    return list(Workspace.objects.filter(slug__among=slugs).order_by("slug").values_list("slug", flat=True))


class TestAmong:
    @pytest.fixture(autouse=True)
    def _three_workspaces(self) -> None:
        for slug in ("a", "b", "c"):
            WorkspaceFactory(slug=slug)

    def test_selects_the_rows_that_have_one_of_the_values(self) -> None:
        assert slugs_among("c", "a", "a", "elsewhere") == ["a", "c"]

    def test_selects_nothing_among_no_values(self) -> None:
        assert (slugs_among(), slugs_among(None)) == ([], [])

    def test_selects_by_keys_and_is_negated_as_in_is(self) -> None:
        first, second, third = Workspace.objects.order_by("slug")

        assert list(Workspace.objects.filter(pk__among=[first.pk, third.pk]).order_by("slug")) == [first, third]
        assert list(Workspace.objects.exclude(pk__among=[first.pk, third.pk])) == [second]

    def test_changes_the_rows_that_it_selects(self) -> None:
        changed = Workspace.objects.filter(slug__among=["a", "b"]).update(name="Changed")

        assert (changed, Workspace.objects.get(slug="c").name == "Changed") == (2, False)

    @pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no arrays")
    def test_asks_postgresql_in_the_same_words_however_many_values_there_are(self) -> None:
        with CaptureQueriesContext(connection) as asked:
            slugs_among("a")
            slugs_among("a", "b", "c")

        words = [query["sql"].partition("WHERE")[2] for query in asked]
        assert words[0].replace("{a}", "") == words[1].replace("{a,b,c}", ""), words
