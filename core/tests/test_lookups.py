"""The lookup `among`, next to Django's `in`."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from core.models import SharedCounter

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2026, 9, 1, tzinfo=dt.UTC)


def values_among(*values: int | None) -> list[int]:
    return list(SharedCounter.objects.filter(value__among=values).order_by("value").values_list("value", flat=True))


class TestAmong:
    @pytest.fixture(autouse=True)
    def _three_counters(self) -> None:
        for key, value in (("a", 1), ("b", 2), ("c", 3)):
            SharedCounter.objects.create(key=key, value=value, ends_at=NOW)

    def test_selects_the_rows_that_have_one_of_the_values(self) -> None:
        assert values_among(3, 1, 1, 7) == [1, 3]

    def test_selects_nothing_among_no_values(self) -> None:
        assert (values_among(), values_among(None)) == ([], [])

    @pytest.mark.sqlite
    def test_selects_by_texts_and_is_negated_as_in_is(self) -> None:
        assert SharedCounter.objects.filter(pk__among=["a", "c"]).count() == 2
        assert SharedCounter.objects.exclude(key__among=["a", "c"]).get().key == "b"

    @pytest.mark.sqlite
    def test_changes_the_rows_that_it_selects(self) -> None:
        changed = SharedCounter.objects.filter(pk__among=["a", "b"]).update(value=9)

        assert (changed, values_among(3, 9)) == (2, [3, 9, 9])

    @pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite has no arrays")
    def test_asks_postgresql_in_the_same_words_however_many_values_there_are(self) -> None:
        with CaptureQueriesContext(connection) as asked:
            values_among(1)
            values_among(1, 2, 3)

        words = [query["sql"].partition("WHERE")[2] for query in asked]
        assert words[0].replace("{1}", "") == words[1].replace("{1,2,3}", ""), words
