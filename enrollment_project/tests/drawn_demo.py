"""The small demo, with every caller and row of the matrix, for tests in which a browser draws its pages."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.db import connection

from .matrix import add_callers, add_rows
from .small_demo import small_demo


@contextmanager
def drawn_demo(blocker: Any, folder: Path) -> Iterator[None]:
    with small_demo(blocker, folder):
        add_callers()
        add_rows()
        yield
    with blocker.unblock():
        connection.close()  # it is Playwright's loop's: nobody else would, and the database is dropped at the end
