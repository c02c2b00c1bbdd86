"""Migrations run while the old code still serves: none may remove or require something the old code does not know."""

from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.test import override_settings
from django_migration_linter import MigrationLinter

from core.migrating import quick_migrations

from .own_code import APPS

ROOT = Path(__file__).resolve().parent.parent.parent

FIRST = """
from django.db import migrations, models

class Migration(migrations.Migration):
    initial = True
    operations = [migrations.CreateModel("Seat", [("id", models.BigAutoField(primary_key=True))])]
"""
NOT_NULL_COLUMN = """
from django.db import migrations, models

class Migration(migrations.Migration):
    dependencies = [("risky", "0001_initial")]
    operations = [migrations.AddField("seat", "row", models.IntegerField(default=1))]
"""


# Reviewed exceptions: PostgreSQL widens a varchar in place, and the old code's words stay valid; the old code raises no
# task of the kind whose subject is now unique, enrolls no leads, and gives events no positions. An invoice number is
# now unique per issuer, and the old code knows only one issuer.
# It records no payments from outside of Stripe.
# It words a mail once, in English, so a wording per language is unique for it.
# It retires no steps, so uniqueness among steps that are not retired is uniqueness for it.
# It imports no rosters: its imports have one file without a name, and none of its rows has an external id.
# It reports no consents and no withdrawals, so the rules about their evidence hold for all of its rows.
# It renews no seats and names no terms, so all of its seats have the same one.
HARMLESS = [
    "0007_prices_asked_and_inquiries",
    "0008_ask_once_about_twins",
    "0007_what_an_enrollment_knows",
    "0004_feed_positions",
    "0004_what_makes_a_learner_stuck",
    "0015_seller_and_vendor_invoices",
    "0017_offline_payments",
    "0005_letters_by_language",
    "0015_rosters",
    "0017_dated_allocations",
    "0023_reported_consents",
    "0024_reported_withdrawals",
]


def lint(*labels: str) -> MigrationLinter:
    linter = MigrationLinter(include_apps=list(labels), ignore_name=HARMLESS, no_cache=True)
    with quick_migrations():
        linter.lint_all_migrations()
    return linter


@pytest.mark.django_db(transaction=True)
class TestMigrations:
    @pytest.fixture(autouse=True)
    def _on_postgresql(self) -> None:
        if connection.vendor != "postgresql":
            pytest.skip("the statements that lock or break are those sent to PostgreSQL")

    def test_are_safe_while_the_old_code_runs(self, capsys: pytest.CaptureFixture[str]) -> None:
        linter = lint(*APPS)

        assert linter.nb_erroneous == 0, capsys.readouterr().out
        assert {"core", "accounts", "events", "billing", "enrollments"} <= set(APPS)
        assert linter.nb_valid + linter.nb_warnings >= 5

    def test_one_that_demands_a_new_column_would_be_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        migrations = tmp_path / "risky" / "migrations"
        migrations.mkdir(parents=True)
        (tmp_path / "risky" / "__init__.py").touch()
        (migrations / "__init__.py").touch()
        (migrations / "0001_initial.py").write_text(FIRST)
        (migrations / "0002_seat_row.py").write_text(NOT_NULL_COLUMN)
        monkeypatch.syspath_prepend(tmp_path)

        with override_settings(INSTALLED_APPS=[*settings.INSTALLED_APPS, "risky"]):
            linter = lint("risky")

        assert (linter.nb_valid, linter.nb_erroneous) == (1, 1)


@pytest.mark.django_db
class TestModels:
    def test_have_the_migrations_they_need(self, capsys: pytest.CaptureFixture[str]) -> None:
        call_command("makemigrations", dry_run=True)

        assert capsys.readouterr().out == "No changes detected\n"
