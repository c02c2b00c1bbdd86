"""Keeps a number of backups on a shelf: makes one, reads it again, and only then removes the oldest."""

import datetime as dt
import fcntl
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
from django.db import transaction

from privacy.erasure_list import list_erasures, write_erasures

from ..models import Backup
from . import checksums
from .database import way
from .errors import FolderInUse, refusals_of_the_disk
from .making import Forecast, foresee_backup, make_backup

log = structlog.get_logger(__name__)

ERASURES: Final = "erasures.json"
_LOCK: Final = ".lock"
_NAME: Final = re.compile(r"\d{4}-\d{2}-\d{2}-\d{4}(\d{2})?")  # as written by `date +%F-%H%M`, or with seconds


@dataclass(frozen=True, slots=True)
class Kept:
    backup: Backup
    removed: tuple[str, ...]  # names of folders, the oldest first


def foresee_keeping(*, shelf: Path, keep: int, now: dt.datetime) -> tuple[Forecast, tuple[str, ...]]:
    """Return what `keep_backup` would write and which folders it would remove, changing nothing. Raises the errors that
    it raises before it begins."""
    new = _folder(shelf, now)
    return foresee_backup(folder=new), _superfluous(shelf, keep=keep, newest=new.name)


def keep_backup(*, shelf: Path, keep: int, now: dt.datetime) -> Kept:
    """Make a backup in a subfolder named by the time, with the list of erasures beside it.

    All of it is read again. Only if it is whole are the oldest ones removed, until `keep` are left, and with them any
    interrupted ones. Raises FolderInUse while another is being made, BackupDamaged for one that can't be read again,
    and what `make_backup` raises; in each case, all earlier backups are still there.
    """
    with refusals_of_the_disk(shelf), _alone(shelf):
        folder = _folder(shelf, now)
        manifest = make_backup(folder=folder, now=now)
        try:
            checksums.verify_checksums(folder)
            way().check_dump(folder / way().NAME)
        except BaseException:
            shutil.rmtree(folder)
            raise
        write_erasures(shelf / ERASURES, list_erasures(now=now))
        removed = _superfluous(shelf, keep=keep, newest=folder.name)
        for name in removed:
            shutil.rmtree(shelf / name)
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        with transaction.atomic():
            Backup.objects.filter(name__in=removed).delete()
            # Another shelf may have one of the same second.
            backup, _ = Backup.objects.update_or_create(
                name=folder.name,
                defaults={"made_at": now, "rows": manifest.total, "files": manifest.files, "size_bytes": size},
            )
    log.info("backup_kept", backup=folder.name, bytes=size, removed=len(removed))
    return Kept(backup, removed)


def _folder(shelf: Path, now: dt.datetime) -> Path:
    return shelf / f"{now.astimezone(dt.UTC):%Y-%m-%d-%H%M%S}"


def _superfluous(shelf: Path, *, keep: int, newest: str) -> tuple[str, ...]:
    """Return the folders that can go once the newest is whole: those beyond `keep`, and interrupted ones."""
    if not shelf.is_dir():
        return ()
    older = sorted(
        path.name
        for path in shelf.iterdir()
        if _NAME.fullmatch(path.name) and path.is_dir() and not path.is_symlink() and path.name < newest
    )
    whole = [name for name in older if (shelf / name / checksums.NAME).exists()]
    stay = whole[max(0, len(whole) - keep + 1) :]
    return tuple(name for name in older if name not in stay)


@contextmanager
def _alone(shelf: Path) -> Iterator[None]:
    shelf.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (shelf / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FolderInUse(f"Another backup is being made in {shelf}: this one is not needed.") from error
        yield
