"""PostgreSQL's own programs: pg_dump in its custom format, and pg_restore through psql in one transaction."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Final, cast

from django.db import connection, transaction
from psycopg.pq import Conninfo

from .errors import BackupDamaged, BackupFailed, NotThroughAPool, ProgramMissing, RestoreFailed
from .manifest import count_rows

NAME: Final = "database.dump"
_PROGRAMS: Final = ("pg_dump", "pg_restore", "psql")
_LOCK_SECONDS: Final = 10
_TOLD_AT_MOST: Final = 600
# Tables (with their indexes, sequences, and triggers), then functions, except those of extensions.
_DROP_ALL: Final = """
DO $$
DECLARE
    told text;
BEGIN
    FOR told IN
        SELECT format('DROP TABLE %I.%I CASCADE', nspname, relname) FROM pg_class
        JOIN pg_namespace ON pg_namespace.oid = relnamespace
        WHERE nspname = 'SCHEMA' AND relkind IN ('r', 'p') AND NOT relispartition
        AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE objid = pg_class.oid AND deptype = 'e')
    LOOP
        EXECUTE told;
    END LOOP;
    FOR told IN
        SELECT format('DROP ROUTINE %s CASCADE', pg_proc.oid::regprocedure) FROM pg_proc
        JOIN pg_namespace ON pg_namespace.oid = pronamespace
        WHERE nspname = 'SCHEMA'
        AND NOT EXISTS (SELECT 1 FROM pg_depend WHERE objid = pg_proc.oid AND deptype = 'e')
    LOOP
        EXECUTE told;
    END LOOP;
END $$;
"""
_CHECK: Final = """
DO $$
BEGIN
    IF (SELECT count(*) FROM {table}) <> {count} THEN
        RAISE EXCEPTION 'the dump does not hold the {count} rows of {table}';
    END IF;
END $$;
"""


def dump(path: Path) -> dict[str, int]:
    """Write the database there as it is at one moment; return the rows of each table at that moment.

    Raises ProgramMissing, NotThroughAPool, and BackupFailed.
    """
    check_programs()
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor.execute("SET LOCAL statement_timeout = 0")
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        cursor.execute("SELECT pg_export_snapshot(), current_schema()")
        snapshot, schema = cursor.fetchone()
        counts = count_rows(connection.introspection.table_names(cursor))
        done = subprocess.run(  # noqa: S603  (PostgreSQL's own program)
            [
                _find("pg_dump"),
                "--format=custom",
                "--compress=1",
                f"--schema={schema}",
                f"--snapshot={snapshot}",
                f"--file={path}",
            ],
            env=_environment(),
            stderr=subprocess.PIPE,
            check=False,
        )
    if done.returncode:
        raise BackupFailed(f"pg_dump did not finish. {_said(done.stderr)}")
    return counts


def restore(path: Path, rows: Mapping[str, int]) -> None:
    """Replace the tables by those of the dump and check that all rows are there, in one transaction.

    Raises RestoreFailed, in which case the database is as it was.

    pg_restore alone would not do: tables missing from the dump would stay, and so would half of an interrupted dump.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_schema()")
        (schema,) = cursor.fetchone()
    connection.close()
    quote = connection.ops.quote_name
    checks = [_CHECK.format(table=f"{quote(schema)}.{quote(table)}", count=count) for table, count in rows.items()]
    limits = f"SET LOCAL lock_timeout = '{_LOCK_SECONDS}s'; SET LOCAL client_min_messages = warning;"
    begin = f"BEGIN; {limits} {_DROP_ALL.replace('SCHEMA', schema)}"
    with TemporaryFile() as told:
        is_done = _run_script(begin, path, schema=schema, end=f"{''.join(checks)}COMMIT;\n", told=told)
        if not is_done:
            told.seek(0)
            raise RestoreFailed(f"Nothing was changed. {_said(told.read())}")


def check_dump(path: Path) -> None:
    """Unpack all of it without keeping anything. Raises BackupDamaged."""
    unpack = [_find("pg_restore"), f"--file={os.devnull}", str(path)]
    done = subprocess.run(unpack, stderr=subprocess.PIPE, check=False)  # noqa: S603
    if done.returncode:
        raise BackupDamaged(f"{path} can't be unpacked. {_said(done.stderr)}")


def check_programs() -> None:
    """Check the programs. Raises ProgramMissing and NotThroughAPool."""
    for name in _PROGRAMS:
        _find(name)
    if connection.settings_dict["OPTIONS"].get("prepare_threshold", 0) is None:
        raise NotThroughAPool(
            "DATABASE_POOLED is set: give DATABASE_URL the address of PostgreSQL itself, and DATABASE_POOLED=0, as "
            "migrations need it too."
        )


def _run_script(begin: str, dump: Path, *, schema: str, end: str, told: IO[bytes]) -> bool:
    """Return whether psql did all of it. It does not commit unless it is told to at the very end."""
    unpack = [_find("pg_restore"), "--no-owner", "--no-privileges", f"--schema={schema}", "--file=-", str(dump)]
    settings = ["--set=ON_ERROR_STOP=1", "--set=VERBOSITY=terse", f"--output={os.devnull}"]
    command = [_find("psql"), "--no-psqlrc", "--quiet", *settings]
    try:
        with subprocess.Popen(command, env=_environment(), stdin=subprocess.PIPE, stderr=told) as psql:  # noqa: S603
            script = cast(IO[bytes], psql.stdin)
            script.write(begin.encode())
            script.flush()
            is_unpacked = subprocess.run(unpack, stdout=script, stderr=told, check=False).returncode == 0  # noqa: S603
            if is_unpacked:
                script.write(end.encode())
    except BrokenPipeError:  # psql has stopped at an error, which it has reported
        return False
    return is_unpacked and psql.returncode == 0


def _environment() -> dict[str, str]:
    """Return the environment by which PostgreSQL's programs find the database, without a password on a command line."""
    given = connection.get_connection_params()
    known = {
        option.envvar.decode(): str(given[keyword])
        for option in Conninfo.get_defaults()
        if option.envvar and (keyword := option.keyword.decode()) in given and keyword != "options"
    }
    return {**os.environ, **known}


def _find(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        raise ProgramMissing(
            f"{program} is not installed. Install PostgreSQL's client programs of the server's version or a newer one "
            "(postgresql-client on Debian)."
        )
    return found


def _said(told: bytes) -> str:
    return " ".join(told.decode(errors="replace").split())[:_TOLD_AT_MOST]
