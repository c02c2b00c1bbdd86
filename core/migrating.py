"""Migrations in half the time, and while a site is being used."""

import contextlib
import gc
import itertools
import time
from collections.abc import Iterator
from typing import Any

from django.core.management import call_command
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Model
from django.db.models.signals import class_prepared
from django_fsm import FSMField

# How long a migration waits for a table. Whoever wants the table meanwhile waits behind it, so not for long.
LOCK_MILLISECONDS = 2000
PAUSE_SECONDS = 1.0
# What PostgreSQL says to a migration that met somebody else at a table (a lock that can't be had, a deadlock), and what
# becomes of one whose connection ends: by an operator, by a restart, or without a word.
WORTH_REPEATING = {"55P03", "40P01", "57P01", "57P02", "57P03", None}
Target = tuple[str, str]  # an app, and the migration it is to be at; zero: before its first


@contextlib.contextmanager
def quick_migrations() -> Iterator[None]:
    """Migrate in half the time, in a process that does nothing else meanwhile.

    Each migration makes the models of its day, and each of their states (django-fsm) asks to be told of every model
    made after it, to look for transitions. No model of a migration has any. The garbage collector looks through all
    these models again and again for the few that are gone.
    """
    field: Any = FSMField
    contribute = field.contribute_to_class

    def contribute_to_class(self: FSMField, cls: type[Model], name: str, **more: Any) -> None:
        contribute(self, cls, name, **more)
        if cls.__module__ == "__fake__":
            class_prepared.disconnect(self._collect_transitions)

    gc.disable()
    field.contribute_to_class = contribute_to_class
    try:
        yield
    finally:
        field.contribute_to_class = contribute
        gc.enable()
        gc.collect()


def migrate_under_load(*, tries: int, targets: list[Target] | None = None) -> int:
    """Apply every migration, or go to the targets, while the site is in use; how many tries it took.

    A migration holds tables that requests want, and wants tables that they hold. Where they meet, PostgreSQL ends one
    of them. A request is answered with 503; a migration, which is one transaction, is begun again. Raises the last
    OperationalError after so many tries.
    """
    for number in itertools.count(1):
        try:
            _connect_anew()
            with quick_migrations():
                _migrate(targets or [])
            return number
        except OperationalError as error:
            if number == tries or getattr(error.__cause__, "sqlstate", None) not in WORTH_REPEATING:
                raise
            time.sleep(PAUSE_SECONDS)
    raise AssertionError("there is no last number")


def _migrate(targets: list[Target]) -> None:
    goals = [(app, None if name == "zero" else name) for app, name in targets]
    if not goals:
        call_command("migrate", verbosity=0, interactive=False)
        return
    executor = MigrationExecutor(connection)
    if all(is_back for _, is_back in executor.migration_plan(goals)):
        executor.migrate(goals)  # together: each by itself would have the states of all migrations made anew
        return
    for app, name in targets:
        call_command("migrate", app, name, verbosity=0, interactive=False)


def _connect_anew() -> None:
    """Whatever state the last try has left the connection in. A statement may take as long as a large table wants, and
    between two of them Python may think."""
    connection.close()
    connection.connect()
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"SET lock_timeout = {LOCK_MILLISECONDS}")
            cursor.execute("SET statement_timeout = 0")
            cursor.execute("SET idle_in_transaction_session_timeout = 0")
