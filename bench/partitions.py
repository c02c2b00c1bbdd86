"""`python -m bench.partitions`: partitioned tables compared with whole ones, on two databases of one server.

Both alternate: Idempotency-Keys are claimed one at a time, histories are written in bulk, and then expired answers are
deleted. The medians of the ratios are gated.
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import psycopg

from .gates import exit_code
from .servers import Servers, running_servers
from .stack import OURS, ROOT, environment
from .work import migrate

ROUNDS = 5
CLAIMS = 5_000
ENROLLMENTS = 50_000
OLD_ANSWERS = 200_000
BITE = 1_000  # core/http/idempotency.py
# The least rate of partitioned tables, relative to the whole table.
CLAIMS_AT_LEAST = 0.25  # the trigger that enforces uniqueness takes as long as the row
HISTORIES_AT_LEAST = 0.6

_CLAIM = """
    INSERT INTO core_idempotencyrecord (scope, key, fingerprint, locked_until, created_at)
    VALUES ('key:1', %s, 'f', now(), now()) ON CONFLICT DO NOTHING RETURNING id
"""
_ENROLLMENTS = """
    SET session_replication_role = replica;  -- they point at nothing here
    INSERT INTO enrollments_enrollment (cuid, workspace_id, instance_id, learner_id, identification_type,
        eligibility_status, eligibility_reason, criteria_version, participation_status, payment_status, metadata,
        reference_id, tags, manufacturer_slugs, transition_count, created_at, updated_at)
    SELECT 'e' || n, 1, n, 1, 'customerInfo', 'approved', '', 0, 'active', 'not_required', '{}', '', '[]', '[]', 4,
           now(), now()
      FROM generate_series(1, %(enrollments)s) n;
    SET session_replication_role = DEFAULT;
"""
_HISTORIES = """
    INSERT INTO enrollments_enrollmenttransition (enrollment_id, number, facet, from_status, to_status, reason, actor,
        request_id, created_at)
    SELECT e.id, %(number)s, 'eligibility', 'candidate', 'approved', '', 'system', '', now()
      FROM enrollments_enrollment e
"""
_OLD_ANSWERS = """
    INSERT INTO core_idempotencyrecord (scope, key, fingerprint, locked_until, response_status,
        response_body, created_at)
    SELECT 'key:1', 'old' || n, 'f', now(), 200, to_jsonb(repeat('x', 900)), now() - interval '3 days'
      FROM generate_series(1, %(answers)s) n
"""
_FORGET = """
    DELETE FROM core_idempotencyrecord WHERE id IN (
        SELECT id FROM core_idempotencyrecord WHERE created_at < now() - interval '1 day'
        ORDER BY created_at, id LIMIT %s)
"""


def main() -> int:
    """Return 0 when every gate holds, 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m bench.partitions", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a few rows, no gates")
    quick = parser.parse_args().quick
    share = 50 if quick else 1
    with running_servers() as servers:
        migrate(servers)
        with servers.connect() as maker:
            maker.execute("CREATE DATABASE parts TEMPLATE postgres")
        with _connected(servers, "postgres") as whole, _connected(servers, "parts") as parts:
            for each in (whole, parts):
                each.execute(_ENROLLMENTS, {"enrollments": ENROLLMENTS // share}, prepare=False)
                each.execute(_OLD_ANSWERS, {"answers": OLD_ANSWERS // share})
            _partition(servers)
            claims = _ratios(lambda connection, n: _claim(connection, n, CLAIMS // share), whole, parts)
            histories = _ratios(
                lambda connection, n: _write_histories(connection, n, ENROLLMENTS // share), whole, parts
            )
            deleted = _timed(lambda: _delete(whole))
            dropped = _timed(lambda: parts.execute("DROP TABLE core_idempotencyrecord_first"))
    return _report(claims, histories, deleted, dropped, answers=OLD_ANSWERS // share, gated=not quick)


def _partition(servers: Servers) -> None:
    at = environment(servers, settings=OURS) | {"DATABASE_URL": "postgresql://postgres@/parts"}
    command = [sys.executable, "manage.py", "partition_tables", "--json"]
    subprocess.run(command, env=at, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _connected(servers: Servers, name: str) -> "psycopg.Connection[Any]":
    """Connect without waiting for commits: both would wait for the disk alike."""
    connection = psycopg.connect(
        host=servers.postgres_folder, user="postgres", dbname=name, autocommit=True, cursor_factory=psycopg.ClientCursor
    )
    connection.execute("SET synchronous_commit = off")
    return connection


def _claim(connection: "psycopg.Connection[Any]", round_: int, count: int) -> float:
    began = time.perf_counter()
    for number in range(count):
        connection.execute(_CLAIM, (f"{round_}-{number}",))
    return count / (time.perf_counter() - began)


def _write_histories(connection: "psycopg.Connection[Any]", round_: int, count: int) -> float:
    began = time.perf_counter()
    connection.execute(_HISTORIES, {"number": round_})
    return count / (time.perf_counter() - began)


def _delete(connection: "psycopg.Connection[Any]") -> None:
    while connection.execute(_FORGET, (BITE,)).rowcount:
        pass
    connection.execute("VACUUM core_idempotencyrecord")


def _ratios(
    measure: "Callable[[psycopg.Connection[Any], int], float]",
    whole: "psycopg.Connection[Any]",
    parts: "psycopg.Connection[Any]",
) -> list[tuple[float, float]]:
    """Return the rows per second of both, measured alternately."""
    return [(measure(whole, number), measure(parts, number)) for number in range(1, ROUNDS + 1)]


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _report(
    claims: list[tuple[float, float]],
    histories: list[tuple[float, float]],
    deleted: float,
    dropped: float,
    *,
    answers: int,
    gated: bool,
) -> int:
    failures = []
    for name, found, least in (("claims", claims, CLAIMS_AT_LEAST), ("histories", histories, HISTORIES_AT_LEAST)):
        ratio = statistics.median(parts / whole for whole, parts in found)
        whole, parts = (statistics.median(each) for each in zip(*found, strict=True))
        print(f"{name:10} whole {whole:9,.0f}/s   in parts {parts:9,.0f}/s   ratio {ratio:.2f} (at least {least})")
        if ratio < least:
            failures.append(f"{name} in parts: {ratio:.2f} of the whole table")
    print(f"{answers:,} old answers: deleted and vacuumed in {deleted:.2f} s, dropped in {dropped * 1000:.0f} ms")
    return exit_code(failures if gated else [])


if __name__ == "__main__":
    sys.exit(main())
