"""Makes a backup while people work: the rows of one moment, and then the files, so that no row lacks its file."""

import datetime as dt
import shutil
from dataclasses import dataclass
from pathlib import Path

import structlog
from django.db import connection

from .checksums import write_checksums
from .database import applied_migrations, way
from .errors import FolderInUse, refusals_of_the_disk
from .files import copy_files, list_files
from .manifest import NOT_ROWS, Manifest, count_rows, write_manifest

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a backup would contain now."""

    rows: int
    files: int


def foresee_backup(*, folder: Path) -> Forecast:
    """Forecast a backup without changing anything. Raises the errors that `make_backup` raises before it begins."""
    _refuse_what_is_there(folder)
    way().check_programs()
    tables = set(connection.introspection.table_names()) - NOT_ROWS
    return Forecast(sum(count_rows(tables).values()), sum(1 for _ in list_files()))


def make_backup(*, folder: Path, now: dt.datetime) -> Manifest:
    """Write a backup into this folder, which is empty or does not exist yet.

    An interrupted backup has no checksums, and restoring it is refused; a failed one is removed. Raises FolderInUse,
    ProgramMissing, NotThroughAPool, and BackupFailed.
    """
    _refuse_what_is_there(folder)
    way().check_programs()
    is_new = not folder.exists()
    with refusals_of_the_disk(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            manifest = _write(folder, now)
        except BaseException:
            _remove(folder, is_new=is_new)
            raise
    log.info("backup_made", rows=manifest.total, files=manifest.files)
    return manifest


def _write(folder: Path, now: dt.datetime) -> Manifest:
    rows = way().dump(folder / way().NAME)
    manifest = Manifest(
        made_at=now,
        database=connection.vendor,
        migrations=applied_migrations(),
        rows=rows,
        files=copy_files(folder),
    )
    write_manifest(folder, manifest)
    write_checksums(folder)
    for path in folder.rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
    return manifest


def _refuse_what_is_there(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FolderInUse(f"{folder} is there, and is not an empty folder: name a new one for each backup.")


def _remove(folder: Path, *, is_new: bool) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
    if is_new:
        folder.rmdir()
