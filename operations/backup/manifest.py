"""A backup's description of itself: when it was made, from which database, how far migrated, and what it contains."""

import datetime as dt
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from django.db import connection

from .errors import BackupDamaged, BackupDoesNotFit

NAME: Final = "manifest.json"
FORMAT: Final = 1
# Tables that follow from the code, or describe the tables instead of being data.
NOT_ROWS: Final = {"django_migrations", "django_content_type", "auth_permission"}


@dataclass(frozen=True, slots=True)
class Manifest:
    """`rows` are counted in the snapshot that was dumped, table by table."""

    made_at: dt.datetime
    database: str  # postgresql or sqlite
    migrations: tuple[str, ...]  # app.name
    rows: Mapping[str, int]
    files: int
    format: int = FORMAT

    @property
    def total(self) -> int:
        """How many rows people and the platform have written."""
        return sum(count for table, count in self.rows.items() if table not in NOT_ROWS)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    document = asdict(manifest) | {"made_at": manifest.made_at.isoformat()}
    (folder / NAME).write_text(json.dumps(document, indent=1), encoding="utf-8")


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest. Raises BackupDamaged and BackupDoesNotFit."""
    try:
        document: dict[str, Any] = json.loads((folder / NAME).read_text(encoding="utf-8"))
        if document["format"] > FORMAT:
            raise BackupDoesNotFit(f"{folder} was made by a newer version: restore it with that one.")
        return Manifest(
            made_at=dt.datetime.fromisoformat(document["made_at"]),
            database=str(document["database"]),
            migrations=tuple(map(str, document["migrations"])),
            rows={str(table): int(count) for table, count in document["rows"].items()},
            files=int(document["files"]),
        )
    except OSError as error:
        raise BackupDamaged(f"{folder} is no whole backup: it has no {NAME} that can be read.") from error
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise BackupDamaged(f"{folder / NAME} is not as a backup writes it.") from error


def count_rows(tables: Iterable[str]) -> dict[str, int]:
    """Count the rows, in the open transaction if there is one."""
    counts = {}
    with connection.cursor() as cursor:
        for table in sorted(tables):
            cursor.execute(f"SELECT count(*) FROM {connection.ops.quote_name(table)}")  # noqa: S608  (the name of a table)
            counts[table] = int(cursor.fetchone()[0])
    return counts


def tables_with_rows() -> list[str]:
    """Return the tables of this database that contain what people or the platform have written."""
    found = []
    with connection.cursor() as cursor:
        for table in sorted(set(connection.introspection.table_names(cursor)) - NOT_ROWS):
            cursor.execute(f"SELECT EXISTS (SELECT 1 FROM {connection.ops.quote_name(table)})")  # noqa: S608
            if cursor.fetchone()[0]:
                found.append(table)
    return found
