"""A backup restores rows and files as they were, and a damaged one changes nothing."""

import errno
import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.management import CommandError
from django.db import connection

from accounts.models import Learner
from accounts.tests.factories import LearnerFactory
from core.clock import utc_now
from operations.backup import making
from operations.backup.database import migrations_of_code, way
from operations.backup.errors import (
    BackupDamaged,
    BackupDoesNotFit,
    BackupFailed,
    DatabaseNotEmpty,
    ErasuresWouldBeLost,
    FolderInUse,
    NotThroughAPool,
    ProgramMissing,
    RestoreFailed,
)
from operations.backup.making import make_backup
from operations.backup.manifest import count_rows
from operations.backup.restoring import plan_restore, restore_backup
from privacy.erasure_list import list_erasures, write_erasures
from privacy.tests.erasures import erase
from tests.commands import run, run_json

from .backups import FILE, all_files, all_rows, folder, pretend_backup

__all__ = ["folder"]


@pytest.mark.django_db(transaction=True)
class TestABackup:
    @pytest.mark.sqlite
    def test_brings_rows_and_files_back_as_they_were(self, folder: Path) -> None:
        learner = LearnerFactory(first_name="Ana")
        rows = all_rows()
        made = run_json("backup", str(folder))
        Learner.objects.filter(pk=learner.pk).update(first_name="Changed")
        LearnerFactory()
        storages["private"].delete(FILE)
        storages["private"].save("applications/two", ContentFile(b"second"))

        with pytest.raises(CommandError, match="--replace replaces all that is there"):
            run("restore", str(folder))
        untouched = Learner.objects.get(pk=learner.pk).first_name
        restored = run_json("restore", str(folder), "--replace")

        assert untouched == "Changed"
        assert all_rows() == rows
        assert all_files() == {FILE: b"first"}
        assert (made["rows"], made["files"]) == (restored["rows"], restored["files"])
        assert restored["rows"] >= 2  # a learner and their workspace
        assert LearnerFactory().pk > learner.pk

    def test_is_of_one_moment_while_people_work(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def count_and_work(tables: Any) -> dict[str, int]:
            counted = count_rows(tables)
            meanwhile = threading.Thread(target=work)
            meanwhile.start()
            meanwhile.join()
            return counted

        def work() -> None:
            LearnerFactory()
            connection.close()

        monkeypatch.setattr("operations.backup.postgresql.count_rows", count_and_work)

        made = make_backup(folder=folder, now=utc_now())

        unpack = ["pg_restore", "--data-only", "--table=accounts_learner", "--file=-", str(folder / "database.dump")]
        dumped = subprocess.run(unpack, capture_output=True, text=True, check=True).stdout
        assert made.rows["accounts_learner"] == 0
        assert "COPY public.accounts_learner" in dumped
        assert dumped.partition("FROM stdin;\n")[2].startswith("\\.")
        assert Learner.objects.count() == 1

    def test_whose_dump_is_none_changes_nothing(self, folder: Path) -> None:
        LearnerFactory()
        rows = all_rows()

        with pytest.raises(RestoreFailed, match="Nothing was changed"):
            restore_backup(folder=pretend_backup(folder), erasures=None, is_replacing=True)

        assert all_rows() == rows
        assert all_files() == {FILE: b"first"}


def cut_off(folder: Path) -> None:
    (folder / "SHA256SUMS").unlink()


def cut_off_while_signed(folder: Path) -> None:
    sums = folder / "SHA256SUMS"
    sums.write_text("".join(sums.read_text().splitlines(keepends=True)[:-1]))


def change_the_dump(folder: Path) -> None:
    (folder / way().NAME).write_bytes(b"another")


def lose_a_file(folder: Path) -> None:
    (folder / "files" / FILE).unlink()


def lose_a_file_and_its_line(folder: Path) -> None:
    lose_a_file(folder)
    sums = folder / "SHA256SUMS"
    sums.write_text("".join(line for line in sums.read_text().splitlines(keepends=True) if FILE not in line))


def add_a_file(folder: Path) -> None:
    (folder / "files" / "more").write_bytes(b"")


@pytest.mark.django_db
class TestABackupThatIsNotWhole:
    @pytest.mark.parametrize(
        ("damage", "told"),
        [
            (cut_off, "has no SHA256SUMS"),
            (cut_off_while_signed, "manifest.json is not part of it"),
            (change_the_dump, "database.dump was changed"),
            (lose_a_file, "files/applications/one is missing"),
            (lose_a_file_and_its_line, "does not hold the 1 files"),
            (add_a_file, "files/more is not part of it"),
        ],
    )
    def test_is_refused(self, folder: Path, damage: Callable[[Path], None], told: str) -> None:
        damage(pretend_backup(folder))

        with pytest.raises(BackupDamaged, match=told):
            plan_restore(folder=folder, erasures=None, is_replacing=True)

    def test_is_refused_where_there_is_none(self, folder: Path) -> None:
        with pytest.raises(CommandError, match="is no whole backup"):
            run("restore", str(folder), "--dry-run")

    @pytest.mark.parametrize(
        ("told", "why"),
        [
            ({"migrations": ("accounts.9999_of_tomorrow",)}, "does not know accounts.9999_of_tomorrow"),
            ({"database": "sqlite"}, "is of sqlite"),
            ({"format": 2}, "made by a newer version"),
        ],
    )
    def test_or_does_not_fit_is_refused(self, folder: Path, told: dict[str, Any], why: str) -> None:
        pretend_backup(folder, **told)

        with pytest.raises(BackupDoesNotFit, match=why):
            plan_restore(folder=folder, erasures=None, is_replacing=True)


@pytest.mark.django_db
class TestRestoring:
    def test_says_what_it_would_do_and_does_nothing(self, folder: Path) -> None:
        storages["private"].delete(FILE)
        pretend_backup(folder, rows={"accounts_learner": 3, "django_migrations": 80})

        report = run_json("restore", str(folder), "--dry-run")

        assert (report["dry_run"], report["rows"], report["files"]) == (True, 3, 1)
        assert report["migrations"] == sorted(migrations_of_code() - {"accounts.0001_initial"})
        assert f"learners who were erased after {report['made_at']} are back" in report["warning"]

    @pytest.mark.parametrize("is_older", [True, False])
    def test_migrates_what_is_of_an_older_version(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, is_older: bool
    ) -> None:
        code = migrations_of_code()
        pretend_backup(folder, migrations=sorted(code - {"operations.0001_initial"} if is_older else code))
        migrated = []
        monkeypatch.setattr(way(), "restore", lambda path, rows: None)
        monkeypatch.setattr("operations.backup.restoring.migrate_under_load", lambda tries: migrated.append(tries))

        restored = restore_backup(folder=folder, erasures=None, is_replacing=True)

        assert restored.plan.migrations == (("operations.0001_initial",) if is_older else ())
        assert len(migrated) == is_older

    def test_replaces_no_rows_and_no_files_unasked(self, folder: Path) -> None:
        pretend_backup(folder)

        with pytest.raises(DatabaseNotEmpty, match="folder of files"):
            plan_restore(folder=folder, erasures=None, is_replacing=False)
        LearnerFactory()
        with pytest.raises(DatabaseNotEmpty, match="accounts_learner"):
            plan_restore(folder=folder, erasures=None, is_replacing=False)

    def test_loses_no_erasures_that_the_database_knows(self, folder: Path, tmp_path: Path) -> None:
        pretend_backup(folder)
        learner = LearnerFactory()
        erase(learner)
        file = tmp_path / "erasures.json"

        with pytest.raises(ErasuresWouldBeLost, match=r"1 learners .* export_erasures FILE"):
            plan_restore(folder=folder, erasures=None, is_replacing=True)
        write_erasures(file, list_erasures(now=utc_now()))
        report = run_json("restore", str(folder), "--replace", "--erasures", str(file), "--dry-run")

        assert report["warning"] == ""


@pytest.mark.django_db
class TestMaking:
    def test_counts_first_and_writes_nothing(self, folder: Path) -> None:
        LearnerFactory()

        report = run_json("backup", str(folder), "--dry-run")

        assert (report["rows"] >= 2, report["files"]) == (True, 1)
        assert not folder.exists()

    def test_is_refused_where_something_is(self, folder: Path) -> None:
        folder.mkdir()
        (folder / "notes").touch()

        with pytest.raises(FolderInUse):
            make_backup(folder=folder, now=utc_now())

        assert [path.name for path in folder.iterdir()] == ["notes"]

    def test_leaves_nothing_where_it_failed(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(path: Path) -> None:
            path.write_bytes(b"half")
            raise BackupFailed

        monkeypatch.setattr(way(), "dump", fail)

        with pytest.raises(BackupFailed):
            make_backup(folder=folder, now=utc_now())

        assert not folder.exists()

    @pytest.mark.parametrize("at", ["write_manifest", "copy_files"])
    def test_says_what_the_disk_refused_and_leaves_nothing(
        self, folder: Path, monkeypatch: pytest.MonkeyPatch, at: str
    ) -> None:
        def refuse(*_: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(way(), "dump", lambda path: {})
        monkeypatch.setattr(making, at, refuse)

        with pytest.raises(BackupFailed, match=r"No space left on device\. See that there is room"):
            make_backup(folder=folder, now=utc_now())

        assert not folder.exists()

    def test_names_the_program_that_is_missing(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", "")

        with pytest.raises(ProgramMissing, match=r"pg_dump is not installed.*postgresql-client"):
            make_backup(folder=folder, now=utc_now())

    def test_goes_past_a_pool(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(connection.settings_dict["OPTIONS"], "prepare_threshold", None)

        with pytest.raises(NotThroughAPool, match="DATABASE_POOLED=0"):
            make_backup(folder=folder, now=utc_now())
