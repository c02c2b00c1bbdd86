"""Chooses how to copy and restore the database by its kind."""

from types import ModuleType
from typing import Final

from django.db import connection
from django.db.migrations.loader import MigrationLoader

from . import postgresql, sqlite

WAYS: Final[dict[str, ModuleType]] = {"postgresql": postgresql, "sqlite": sqlite}


def way() -> ModuleType:
    return WAYS[connection.vendor]


def migrations_of_code() -> set[str]:
    return {f"{app}.{name}" for app, name in MigrationLoader(None).disk_migrations}


def applied_migrations() -> tuple[str, ...]:
    return tuple(sorted(f"{app}.{name}" for app, name in MigrationLoader(connection).applied_migrations))
