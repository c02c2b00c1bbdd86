"""Scheduled backups: the oldest is removed once the newest was read again, and not before."""

import datetime as dt
import errno
import os
from pathlib import Path

import pytest

from accounts.tests.factories import LearnerFactory
from operations.backup import keeping
from operations.backup.database import way
from operations.backup.errors import BackupDamaged, BackupFailed, FolderInUse
from operations.backup.keeping import ERASURES, keep_backup
from operations.backup.manifest import Manifest, read_manifest
from operations.metrics import FIGURES
from operations.models import Backup
from tests.commands import run_json

from .backups import folder, pretend_backup

__all__ = ["folder"]

NOW = dt.datetime(2026, 11, 29, 3, 17, tzinfo=dt.UTC)
NEW = "2026-11-29-031700"


def there(shelf: Path) -> list[str]:
    return sorted(path.name for path in shelf.iterdir() if path.is_dir())


def pretend(shelf: Path, *names: str) -> None:
    for name in names:
        pretend_backup(shelf / name)
        Backup.objects.create(name=name, made_at=NOW - dt.timedelta(days=1), rows=1, files=1, size_bytes=1)


def pretend_to_make(*, folder: Path, now: dt.datetime) -> Manifest:
    return read_manifest(pretend_backup(folder, made_at=now, rows={"accounts_learner": 7}))


@pytest.fixture
def shelf(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for backups that take milliseconds, as their dumps are none."""
    monkeypatch.setattr(keeping, "make_backup", pretend_to_make)
    monkeypatch.setattr(way(), "check_dump", lambda path: None)
    return folder


@pytest.mark.django_db
class TestKeepingBackups:
    def test_makes_room_for_the_newest_once_it_was_read_again(self, shelf: Path) -> None:
        pretend(shelf, "2026-11-26-031700", "2026-11-27-0317", "2026-11-28-031700")
        (shelf / "2026-11-28-120000").mkdir()  # interrupted
        (shelf / "by-hand").mkdir()

        kept = keep_backup(shelf=shelf, keep=3, now=NOW)

        assert kept.removed == ("2026-11-26-031700", "2026-11-28-120000")
        assert there(shelf) == ["2026-11-27-0317", "2026-11-28-031700", NEW, "by-hand"]
        assert (shelf / ERASURES).exists()
        assert sorted(Backup.objects.values_list("name", flat=True)) == ["2026-11-27-0317", "2026-11-28-031700", NEW]
        assert (kept.backup.made_at, kept.backup.rows, kept.backup.files) == (NOW, 7, 1)
        assert kept.backup.size_bytes > 0

    def test_removes_none_when_the_newest_cannot_be_read(self, shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        pretend(shelf, "2026-11-27-031700", "2026-11-28-031700")

        def find_fault(path: Path) -> None:
            raise BackupDamaged("It can't be unpacked.")

        monkeypatch.setattr(way(), "check_dump", find_fault)

        with pytest.raises(BackupDamaged):
            keep_backup(shelf=shelf, keep=1, now=NOW)

        assert there(shelf) == ["2026-11-27-031700", "2026-11-28-031700"]
        assert Backup.objects.count() == 2

    def test_keeps_all_when_the_disk_is_full(self, shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        pretend(shelf, "2026-11-28-031700")

        def refuse(path: Path, _: object) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

        monkeypatch.setattr(keeping, "write_erasures", refuse)

        with pytest.raises(BackupFailed, match=r"erasures\.json: No space left on device"):
            keep_backup(shelf=shelf, keep=1, now=NOW)

        assert there(shelf) == ["2026-11-28-031700", NEW]

    def test_is_done_by_one_at_a_time(self, shelf: Path) -> None:
        with keeping._alone(shelf), pytest.raises(FolderInUse, match="Another backup is being made"):
            keep_backup(shelf=shelf, keep=3, now=NOW)

        assert there(shelf) == []
        assert not Backup.objects.exists()

    def test_of_the_same_second_in_two_places_is_no_failure(self, shelf: Path, tmp_path: Path) -> None:
        elsewhere = tmp_path / "elsewhere"
        keep_backup(shelf=shelf, keep=3, now=NOW)

        keep_backup(shelf=elsewhere, keep=3, now=NOW)

        assert (there(shelf), there(elsewhere)) == ([NEW], [NEW])
        assert [backup.name for backup in Backup.objects.all()] == [NEW]

    def test_says_what_it_would_do_and_does_nothing(self, shelf: Path) -> None:
        pretend(shelf, "2026-11-27-031700", "2026-11-28-031700")

        report = run_json("keep_backups", str(shelf), "--keep", "2", "--dry-run")

        assert report["removed"] == ["2026-11-27-031700"]
        assert there(shelf) == ["2026-11-27-031700", "2026-11-28-031700"]

    @pytest.mark.parametrize(("hours", "said"), [((), []), ((30, 6), [6 * 3600.0])])
    def test_tells_how_old_the_newest_is(self, hours: tuple[int, ...], said: list[float]) -> None:
        for each in hours:
            made_at = NOW - dt.timedelta(hours=each)
            Backup.objects.create(name=str(each), made_at=made_at, rows=1, files=1, size_bytes=1)

        (figure,) = (figure for figure in FIGURES if figure.name == "backup_seconds_ago")

        assert [reading for _, reading in figure.read(NOW)] == said


@pytest.mark.django_db(transaction=True)
class TestABackupByTheClock:
    def test_is_a_whole_one(self, folder: Path) -> None:
        LearnerFactory()

        report = run_json("keep_backups", str(folder))

        assert report["rows"] == run_json("restore", report["folder"], "--replace", "--dry-run")["rows"]
        (backup,) = Backup.objects.all()
        assert (Path(report["folder"]).name, report["bytes"]) == (backup.name, backup.size_bytes)

    def test_whose_dump_is_none_is_found_out(self, folder: Path) -> None:
        pretend_backup(folder)

        with pytest.raises(BackupDamaged):
            way().check_dump(folder / way().NAME)
