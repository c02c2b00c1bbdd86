"""Findings name rows as staff do, including those that were stored under other names."""

from importlib import import_module

import pytest
from django.apps import apps

from core.clock import utc_now
from operations.models import Finding
from operations.subjects import find_subject

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]
migration = import_module("operations.migrations.0004_name_rows_as_staff_do")


def found(row: str) -> Finding:
    now = utc_now()
    return Finding.objects.create(invariant="core.something", row=row, fact="is wrong", found_at=now, seen_at=now)


class TestTheMigration:
    def test_gives_every_row_a_name_that_leads_to_it(self) -> None:
        stored = [found(f"{name} 12") for name in migration.NAMES]
        assert [find_subject(finding.row) for finding in stored] == [None] * len(stored)

        migration.rename_rows(apps, None)

        renamed = [Finding.objects.get(pk=finding.pk).row for finding in stored]
        assert renamed == [f"{name} 12" for name in migration.NAMES.values()]
        assert None not in [find_subject(row) for row in renamed]

    def test_leaves_other_rows_as_they_are(self) -> None:
        rows = {"enrollment 12", "seat changes of 12", "idle seat 12", "seat holder 3"}
        for row in rows:
            found(row)

        migration.rename_rows(apps, None)

        assert set(Finding.objects.values_list("row", flat=True)) == rows
