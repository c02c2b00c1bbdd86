"""Migrations in half the time, and while a site is in use."""

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

# How long a migration waits for a table. Requests for the table queue behind it meanwhile, so it must not wait long.
LOCK_MILLISECONDS = 2000
PAUSE_SECONDS = 1.0
# What PostgreSQL reports to a migration that conflicts with another session over a table (a lock that can't be had, a
# deadlock), or whose connection ends: through an operator, a restart, or without a word.
WORTH_REPEATING = {"55P03", "40P01", "57P01", "57P02", "57P03", None}
Target = tuple[str, str]  # an app and the migration to reach; zero means before its first


@contextlib.contextmanager
def quick_migrations() -> Iterator[None]:
    """Migrate in half the time, in a process that does nothing else meanwhile.

    Each migration builds the models of its day, and each of their states (django-fsm) registers to be notified of every
    model built after it, to look for transitions. No model of a migration has any. The garbage collector searches all
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
    """Apply every migration, or go to the targets, while the site is in use; return how many tries it took.

    A migration holds tables that requests want, and wants tables that they hold. Where they deadlock, PostgreSQL ends
    one of them. A request gets a 503; a migration, which is one transaction, is started again. Raises the last
    OperationalError when the tries are used up.
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
        executor.migrate(goals)  # together: separate calls would each rebuild the states of all migrations
        return
    for app, name in targets:
        call_command("migrate", app, name, verbosity=0, interactive=False)


def _connect_anew() -> None:
    """Reconnect, whatever state the last try left the connection in. A statement may take as long as a large table
    needs, and Python may pause between two of them."""
    connection.close()
    connection.connect()
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"SET lock_timeout = {LOCK_MILLISECONDS}")
            cursor.execute("SET statement_timeout = 0")
            cursor.execute("SET idle_in_transaction_session_timeout = 0")
