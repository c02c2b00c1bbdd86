"""How much of the demo is loaded: written by the command that loads it, and read by the pages that show it.

It is a file because the database shows nothing of a load before it is complete. The file counts only while its writer
holds it locked; an unlocked one was left behind by a load that was killed.
"""

import contextlib
import fcntl
from collections.abc import Callable, Iterator
from pathlib import Path

from django.conf import settings


class AlreadyLoading(Exception):
    """Another process loads the demo into this folder's database."""


@contextlib.contextmanager
def announced() -> Iterator[Callable[[int], None]]:
    """Let pages show that the demo is being loaded while the block runs; call the yielded function with the percentage.

    Raise AlreadyLoading.
    """
    path = _path()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AlreadyLoading from None

        def write(percent: int) -> None:
            file.truncate(0)
            file.write(str(percent))
            file.flush()

        write(0)
        try:
            yield write
        finally:
            path.unlink(missing_ok=True)


def loaded_percent() -> int | None:
    """Return the percentage while the demo is being loaded, otherwise None."""
    try:
        with _path().open() as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read() or 0)
    except (OSError, ValueError):
        pass
    return None


def _path() -> Path:
    return Path(settings.VAR_DIR / "loading")
