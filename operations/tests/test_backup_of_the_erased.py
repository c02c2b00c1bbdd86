"""People erased after a backup was made are gone again after restoring it, and no row is missing."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core.management import CommandError

from accounts.tests.factories import LearnerFactory
from core.clock import utc_now
from operations.backup.checksums import write_checksums
from operations.backup.errors import RestoreFailed
from operations.backup.making import make_backup
from operations.backup.manifest import write_manifest
from operations.backup.restoring import restore_backup
from privacy.tests.canary import build_canary, places_of_canary
from tests.commands import run, run_json
from tests.contracts.catalog import read_catalog

from .backups import all_rows, folder

__all__ = ["folder"]


@pytest.mark.walk
@pytest.mark.django_db(transaction=True)
class TestABackupFromBeforeAnErasure:
    def test_brings_nobody_back(self, folder: Path, tmp_path: Path, monkeypatch: Any, caplog: Any) -> None:
        caplog.set_level(logging.INFO)
        learner = build_canary()
        held, catalog = places_of_canary(), read_catalog()
        list_file = tmp_path / "erasures.json"
        run("backup", str(folder))
        named = ("--workspace", "canary", "--learner", learner.cuid, "--reason", "outdated")
        run("erase_learner", *named)
        erased = places_of_canary()

        with pytest.raises(CommandError, match="export_erasures FILE"):
            run("restore", str(folder), "--replace")
        written = run_json("export_erasures", str(list_file))
        restored = run_json("restore", str(folder), "--replace", "--erasures", str(list_file))

        assert {"file in applications", "file in exports", "accounts_learner"} <= held
        assert written["erasures"] == 2  # somebody was merged into them
        assert (restored["erased_again"], restored["warning"]) == (1, "")
        assert places_of_canary(more=caplog.text + list_file.read_text()) == erased == {"billing_invoice"}
        assert Session.objects.count() == 0
        assert read_catalog() == catalog


@pytest.mark.walk
@pytest.mark.django_db(transaction=True)
def test_a_dump_that_lacks_a_row_of_its_manifest_changes_nothing(folder: Path) -> None:
    LearnerFactory()
    made = make_backup(folder=folder, now=utc_now())
    more = made.rows["accounts_learner"] + 1
    write_manifest(folder, replace(made, rows={**made.rows, "accounts_learner": more}))
    write_checksums(folder)
    LearnerFactory()
    rows = all_rows()

    with pytest.raises(RestoreFailed, match=r"does not hold the 2 rows of \"public\"\.\"accounts_learner\""):
        restore_backup(folder=folder, erasures=None, is_replacing=True)

    assert all_rows() == rows
