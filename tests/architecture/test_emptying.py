"""Tests that commit leave nothing to the next one."""

import pytest
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection

from cohorts.tests.factories import buy_on_rows, cohort_with
from tests.emptying import KEPT, empty_database

pytestmark = pytest.mark.django_db(transaction=True)


def filled_tables() -> set[str]:
    with connection.cursor() as cursor:
        tables = set(connection.introspection.table_names(cursor))
        return {table for table in tables if cursor.execute(f'SELECT 1 FROM "{table}" LIMIT 1').fetchone()}


class TestAnEmptiedDatabase:
    def test_keeps_only_what_follows_from_the_code(self) -> None:
        buy_on_rows(cohort_with())
        kept = ContentType.objects.count(), Permission.objects.count()
        assert len(filled_tables()) > 15

        empty_database(connection)

        assert filled_tables() == {*KEPT, "django_migrations"}
        assert (ContentType.objects.count(), Permission.objects.count()) == kept
