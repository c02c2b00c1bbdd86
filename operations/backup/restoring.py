"""Restores a backup: all of it is checked first, then the database is replaced at once, then the files.

People who were erased after the backup was made are erased again, from a list that is kept separately.
"""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import structlog
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.db import DatabaseError, connection, transaction

from core.migrating import migrate_under_load
from privacy.erasing import repeat_erasures
from privacy.erasure_list import ErasureList, read_erasures
from privacy.models import Erasure

from .checksums import verify_checksums
from .database import migrations_of_code, way
from .errors import BackupDamaged, BackupDoesNotFit, DatabaseNotEmpty, ErasuresWouldBeLost
from .files import count_files, list_files, replace_files
from .manifest import Manifest, read_manifest, tables_with_rows

log = structlog.get_logger(__name__)

TRIES_OF_MIGRATIONS = 3


@dataclass(frozen=True, slots=True)
class Plan:
    """A backup that can be restored here."""

    folder: Path
    manifest: Manifest
    migrations: tuple[str, ...]  # what the code has and the backup has not applied
    erasures: ErasureList | None

    @property
    def knows_of_erasures_until(self) -> dt.datetime:
        """People who were erased later are in the database again."""
        made = [self.manifest.made_at, *([self.erasures.made_at] if self.erasures else [])]
        return max(made)

    @property
    def list_is_newer(self) -> bool:
        return self.erasures is not None and self.erasures.made_at >= self.manifest.made_at


@dataclass(frozen=True, slots=True)
class Restored:
    plan: Plan
    erased_again: int
    sessions_ended: int


def plan_restore(*, folder: Path, erasures: Path | None, is_replacing: bool) -> Plan:
    """Check all of it and change nothing.

    Raises Invalid for a file that is not a list of erasures, BackupDamaged, BackupDoesNotFit, ProgramMissing,
    NotThroughAPool, DatabaseNotEmpty, and ErasuresWouldBeLost.
    """
    known = read_erasures(erasures) if erasures else None
    verify_checksums(folder)
    manifest = read_manifest(folder)
    there = {path.name for path in folder.iterdir()}
    if manifest.database != connection.vendor:
        raise BackupDoesNotFit(f"The backup is of {manifest.database}, and this database is {connection.vendor}.")
    if way().NAME not in there:
        raise BackupDamaged(f"{folder} has no {way().NAME}.")
    if count_files(folder) != manifest.files:
        raise BackupDamaged(f"{folder} does not hold the {manifest.files:,} files of its manifest.")
    way().check_programs()
    code = migrations_of_code()
    if unknown := sorted(set(manifest.migrations) - code):
        raise BackupDoesNotFit(
            f"The backup is of a newer version: this one does not know {unknown[0]}. Restore it with that version."
        )
    if is_replacing:
        _refuse_to_lose_erasures(manifest, known)
    else:
        _refuse_to_replace()
    return Plan(folder, manifest, tuple(sorted(code - set(manifest.migrations))), known)


def restore_backup(*, folder: Path, erasures: Path | None, is_replacing: bool) -> Restored:
    """Bring rows and files back as they were, migrate them if they are from an older version, and erase again everybody
    on the list. All sessions end, because some had ended since. If it is interrupted after the rows, it can be repeated
    with `is_replacing`.

    Raises what `plan_restore` raises, and RestoreFailed: in these cases nothing has changed.
    """
    plan = plan_restore(folder=folder, erasures=erasures, is_replacing=is_replacing)
    way().restore(folder / way().NAME, plan.manifest.rows)
    ContentType.objects.clear_cache()
    files = replace_files(folder)
    if plan.migrations:
        migrate_under_load(tries=TRIES_OF_MIGRATIONS)
    erased = repeat_erasures(plan.erasures.erasures) if plan.erasures else 0
    _, ended = Session.objects.all().delete()  # with the rows that name their browsers
    log.info("backup_restored", rows=plan.manifest.total, files=files, erased=erased)
    return Restored(plan, erased, ended.get(Session._meta.label, 0))


def _refuse_to_replace() -> None:
    if tables := tables_with_rows():
        named = ", ".join(tables[:3])
        raise DatabaseNotEmpty(f"The database holds rows ({named} and so on). --replace replaces all that is there.")
    if next(list_files(), None) is not None:
        raise DatabaseNotEmpty("The folder of files holds some. --replace replaces all that is there.")


def _refuse_to_lose_erasures(manifest: Manifest, known: ErasureList | None) -> None:
    """Refuse, as far as the database to be replaced can still tell."""
    try:
        with transaction.atomic():
            since = Erasure.objects.filter(erased_at__gt=manifest.made_at)
            unknown = set(since.values_list("learner_cuid", flat=True)) - (known.cuids if known else set())
    except DatabaseError:
        return
    if unknown:
        raise ErasuresWouldBeLost(
            f"{len(unknown):,} learners were erased since the backup whom the list does not name: write it with "
            "`manage.py export_erasures FILE` first, and give it with --erasures FILE."
        )
