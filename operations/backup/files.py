"""The files in private storage: families' uploads, running imports, the day's exports."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from django.core.files import File
from django.core.files.storage import Storage, storages

FOLDER: Final = "files"


def list_files(folder: str = "") -> Iterator[str]:
    """Return the names of all stored files."""
    try:
        folders, names = _storage().listdir(folder)
    except FileNotFoundError:  # nothing was ever stored
        return
    yield from (f"{folder}{name}" for name in sorted(names))
    for each in sorted(folders):
        yield from list_files(f"{folder}{each}/")


def copy_files(backup: Path) -> int:
    """Copy all stored files into the backup; return how many. A file deleted meanwhile is left out: its row is about to
    go, or does not need it."""
    copied = 0
    for name in list_files():
        try:
            content = _storage().open(name, "rb")
        except FileNotFoundError:
            continue
        target = backup / FOLDER / name
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with content, target.open("wb") as file:
            shutil.copyfileobj(content, file)
        copied += 1
    return copied


def replace_files(backup: Path) -> int:
    """Keep the backup's files and no others; return how many."""
    for name in list(list_files()):
        _storage().delete(name)
    paths = _paths(backup)
    for path in paths:
        with path.open("rb") as file:
            _storage().save(path.relative_to(backup / FOLDER).as_posix(), File(file))
    return len(paths)


def count_files(backup: Path) -> int:
    return len(_paths(backup))


def _paths(backup: Path) -> list[Path]:
    return sorted(path for path in (backup / FOLDER).rglob("*") if path.is_file())


def _storage() -> Storage:
    return storages["private"]
