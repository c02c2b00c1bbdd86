"""Deleting stored files without a row, which a crash between the two has left in the storage."""

import datetime as dt
from collections.abc import Callable, Collection, Sequence

from django.core.files.storage import Storage

UPLOAD_TAKES_AT_MOST = dt.timedelta(days=1)
BITE = 500


def delete_orphans(
    *, storage: Storage, folder: str, find_known: Callable[[Sequence[str]], Collection[str]], now: dt.datetime
) -> int:
    """Delete the files in the folder that no row knows, once their upload must be over; returns how many.

    `find_known` returns those of the given names that a row knows.
    """
    if not storage.exists(folder):
        return 0
    names = sorted(storage.listdir(folder)[1])
    gone = 0
    for start in range(0, len(names), BITE):
        bite = names[start : start + BITE]
        known = set(find_known(bite))
        for path in (f"{folder}/{name}" for name in bite if name not in known):
            if _was_stored_before(storage, path, now - UPLOAD_TAKES_AT_MOST):
                storage.delete(path)
                gone += 1
    return gone


def _was_stored_before(storage: Storage, path: str, moment: dt.datetime) -> bool:
    """Return False also for a file that has been deleted, with its row, since the folder was listed."""
    try:
        return storage.get_modified_time(path) < moment
    except FileNotFoundError:
        return False
