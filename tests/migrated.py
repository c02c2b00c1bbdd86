"""Migrations take seconds, and many tests need a database that has been through all of them."""

import contextlib
import fcntl
import gc
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import django
from django.core.management import call_command
from django.db.models import Model
from django.db.models.signals import class_prepared
from django_fsm import FSMField

ROOT = Path(__file__).resolve().parent.parent
SHARED_FOLDER = "TESTS_SHARED_FOLDER"  # of all processes of a test run


@contextlib.contextmanager
def quick_migrations() -> Iterator[None]:
    """Migrate in half the time. Each migration makes the models of its day, and each of their states (django-fsm) asks
    to be told of every model made after it, to look for transitions. No model of a migration has any. The garbage
    collector looks through all these models again and again for the few that are gone."""
    contribute = FSMField.contribute_to_class

    def contribute_to_class(self: FSMField, cls: type[Model], name: str, **more: Any) -> None:
        contribute(self, cls, name, **more)
        if cls.__module__ == "__fake__":
            class_prepared.disconnect(self._collect_transitions)

    with patch.object(FSMField, "contribute_to_class", contribute_to_class):
        gc.disable()
        try:
            yield
        finally:
            gc.enable()
            gc.collect()


def copy_migrated_database(target: Path) -> None:
    """Put an empty SQLite database there, which has been through every migration."""
    made = shared_folder() / "migrated.sqlite3"
    with (shared_folder() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            unfinished = made.with_suffix(".unfinished")
            subprocess.run([sys.executable, "-m", "tests.migrated", str(unfinished)], cwd=ROOT, check=True)
            unfinished.rename(made)
    shutil.copy(made, target)


def shared_folder() -> Path:
    named = os.environ.get(SHARED_FOLDER)
    return Path(named) if named else Path(_own_folder().name)


@cache
def _own_folder() -> "tempfile.TemporaryDirectory[str]":
    """Outside of a test run; it goes when this process ends."""
    return tempfile.TemporaryDirectory(prefix="migrated-")


def _main(database: str) -> None:
    os.environ.pop("TEST_DATABASE_URL", None)
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "enrollment_project.settings.dev",
        "ENV_FILE": os.devnull,
        "DATABASE_URL": f"sqlite:///{database}",
    }
    django.setup()
    with quick_migrations():
        call_command("migrate", verbosity=0)


if __name__ == "__main__":
    _main(sys.argv[1])
