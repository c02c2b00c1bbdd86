"""Verifies that a folder is as written: `SHA256SUMS` names every other file, in the format of `sha256sum --check`."""

import hashlib
from pathlib import Path
from typing import Final

from .errors import BackupDamaged

NAME: Final = "SHA256SUMS"
_NAMED_AT_MOST = 5


def write_checksums(folder: Path) -> None:
    """Write the checksums last: an interrupted backup has none."""
    lines = [f"{_digest(folder / name)}  {name}\n" for name in _names(folder)]
    (folder / NAME).write_text("".join(lines), encoding="utf-8")


def verify_checksums(folder: Path) -> None:
    """Raise BackupDamaged with the files that are missing, changed, or not part of the backup."""
    try:
        lines = (folder / NAME).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise BackupDamaged(f"{folder} is no whole backup: it has no {NAME} that can be read.") from error
    listed = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    there = set(_names(folder))
    wrong = [f"{name} is missing" for name in sorted(listed.keys() - there)]
    wrong += [f"{name} is not part of it" for name in sorted(there - listed.keys())]
    wrong += [f"{name} was changed" for name in sorted(there & listed.keys()) if _digest(folder / name) != listed[name]]
    if wrong:
        more = len(wrong) - _NAMED_AT_MOST
        told = "; ".join(wrong[:_NAMED_AT_MOST]) + (f"; and {more:,} more" if more > 0 else "")
        raise BackupDamaged(f"{folder} is not as it was made: {told}.")


def _names(folder: Path) -> list[str]:
    paths = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())
    return sorted(name for name in paths if name != NAME)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
