"""The refusals of making or restoring a backup."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.errors import DomainError


class ProgramMissing(DomainError):
    code = "program_missing"
    title = "A program of PostgreSQL is not installed"


class NotThroughAPool(DomainError):
    code = "not_through_a_pool"
    title = "Backups need a connection to PostgreSQL itself"


class FolderInUse(DomainError):
    code = "folder_in_use"
    title = "The folder is not empty"


class BackupFailed(DomainError):
    code = "backup_failed"
    title = "The backup failed"


class BackupDamaged(DomainError):
    """The backup is incomplete or changed, or is not a backup at all."""

    code = "backup_damaged"
    title = "The backup has been altered or damaged"


class BackupDoesNotFit(DomainError):
    """The backup comes from a newer version of the platform, or from another kind of database."""

    code = "backup_does_not_fit"
    title = "The backup does not fit this installation"


class DatabaseNotEmpty(DomainError):
    code = "database_not_empty"
    title = "The database or the folder of files is not empty"


class ErasuresWouldBeLost(DomainError):
    code = "erasures_would_be_lost"
    title = "The database knows of erasures that the list does not have"


class RestoreFailed(DomainError):
    """The database is as it was before."""

    code = "restore_failed"
    title = "The backup could not be restored"


@contextmanager
def refusals_of_the_disk(folder: Path) -> Iterator[None]:
    """Raise BackupFailed if the system refuses to write or read inside this block: no space, permission, or device."""
    try:
        yield
    except OSError as error:
        raise BackupFailed(
            f"{error.filename or folder}: {error.strerror or error}. See that there is room in {folder}, and that it "
            "can be written; or name another folder."
        ) from error
