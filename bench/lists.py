"""`python -m bench.lists`: what a page of an instance's enrollments costs, early and late in a list of a million.

SQL creates the rows, on a PostgreSQL of its own. Every filter is timed for its first page and for one deep in the list.
The two alternate, and the median of the ratios may be at most DEEP_IN_FIRST; other load on the machine slows both
alike.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import django

from .gates import exit_code
from .servers import running_servers
from .stack import OURS, environment
from .work import migrate

ROWS = 1_000_000
QUICK_ROWS = 20_000
REQUESTS = 15
DEEP_IN_FIRST = 1.5
# Below this, a ratio says nothing: it is the noise of a query that costs next to nothing.
NOISE_MS = 2.0

_SEED = """
    INSERT INTO accounts_learner (cuid, workspace_id, identity, person, first_name, last_name, email, phone,
                                  grade_level, school, created_at)
    SELECT 'l' || lpad(n::text, 23, '0'), %(workspace)s, 'who:' || n, md5(n::text), 'First' || n,
           'Last' || n %% 5000, 'person' || n || '@bench.test', '', '', '', now()
      FROM generate_series(1, %(rows)s) n;
    INSERT INTO enrollments_enrollment (cuid, workspace_id, instance_id, learner_id, identification_type,
        eligibility_status, eligibility_reason, criteria_version, participation_status, payment_status, metadata,
        reference_id, tags, manufacturer_slugs, transition_count, created_at, updated_at)
    SELECT 'e' || substr(cuid, 2), %(workspace)s, %(instance)s, id, 'customerInfo',
           CASE WHEN id %% 1000 = 0 THEN 'submitted' ELSE 'candidate' END, '', 0, 'not_started', 'not_required', '{}',
           'R-' || id, CASE WHEN id %% 10 = 0 THEN '["common"]' ELSE '[]' END::jsonb, '[]', 0,
           now() - id * interval '1 second', now()
      FROM accounts_learner WHERE workspace_id = %(workspace)s;
    INSERT INTO enrollments_enrollmentlabel (enrollment_id, instance_id, kind, value, created_at)
    SELECT id, instance_id, 'tag', 'common', created_at FROM enrollments_enrollment
     WHERE instance_id = %(instance)s AND learner_id %% 10 = 0;
    INSERT INTO enrollments_enrollmentlabel (enrollment_id, instance_id, kind, value, created_at)
    SELECT id, instance_id, 'tag', 'rare', created_at FROM enrollments_enrollment
     WHERE instance_id = %(instance)s AND learner_id %% 20000 = 0;
"""


def main() -> int:
    """Return 0 when no deep page exceeds its limit, 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m bench.lists", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_ROWS:,} rows, and no gate")
    asked = parser.parse_args()
    rows = QUICK_ROWS if asked.quick else ROWS
    with running_servers() as servers:
        migrate(servers)
        os.environ.update(environment(servers, settings=OURS))
        django.setup()
        failures = _measure(rows)
    return exit_code([] if asked.quick else failures)


def _measure(rows: int) -> list[str]:
    from core.http.cursors import Asked  # noqa: PLC0415  (models exist after setup)
    from enrollments.listing import Filters, list_enrollments  # noqa: PLC0415

    instance = _seed(rows)

    def page_of(filters: Filters, asked: Asked) -> Callable[[], object]:
        return lambda: list_enrollments(instance=instance, filters=filters, asked=asked)

    ways = {
        "all": Filters(),
        "status, one in a thousand": Filters(status="submitted"),
        "tag, one in ten": Filters(tag="common"),
        "tag, one in 20,000": Filters(tag="rare"),
        "tag, and a rare status": Filters(tag="common", status="submitted"),
        "tag, and a common status": Filters(tag="common", status="candidate"),
        "a name that 2,200 have": Filters(search="Last77"),
        "a beginning that all have": Filters(search="Last"),
        "an address": Filters(email="person77@bench.test"),
    }
    failures = []
    print(f"Pages of 50 of {rows:,} enrollments, median of {REQUESTS}, in milliseconds")
    print(f"{'':28}{'first':>8}{'deep':>8}{'ratio':>8}")
    for name, filters in ways.items():
        in_front = page_of(filters, Asked(1, 50, None))
        after = _deep(instance, filters, rows)
        if after is None:
            print(f"{name:28}{_median(in_front):8.1f}")
            continue
        in_the_depth = page_of(filters, Asked(1, 50, after))
        taken = [(_milliseconds(in_front), _milliseconds(in_the_depth)) for _ in range(REQUESTS)]
        first, deep = (statistics.median(each) for each in zip(*taken, strict=True))
        ratio = statistics.median(there / here for here, there in taken)
        print(f"{name:28}{first:8.1f}{deep:8.1f}{ratio:8.2f}")
        if ratio > DEEP_IN_FIRST and deep - first > NOISE_MS:
            failures.append(f"{name}: a deep page costs {ratio:.2f} of the first, {DEEP_IN_FIRST} are allowed")
    last = _median(page_of(Filters(), Asked(200, 50, None)))
    print(f"{'the last page by number':28}{last:8.1f}")
    return failures


def _seed(rows: int) -> Any:
    from django.db import connection  # noqa: PLC0415

    from accounts.models import Workspace  # noqa: PLC0415
    from enrollments.models import Program, ProgramInstance  # noqa: PLC0415

    workspace = Workspace.objects.create(slug="bench", name="Bench")
    program = Program.objects.create(workspace=workspace, code="BENCH", title="Bench")
    instance = ProgramInstance.objects.create(workspace=workspace, program=program, name="Term")
    ids = {"workspace": workspace.pk, "instance": instance.pk, "rows": rows}
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        for statement in _SEED.split(";")[:-1]:
            cursor.execute(statement, ids)
        cursor.execute("VACUUM ANALYZE accounts_learner, enrollments_enrollment, enrollments_enrollmentlabel")
    return instance


def _deep(instance: Any, filters: Any, rows: int) -> Any:
    """Return a position nine tenths down the list, or None if the list is short."""
    from core.http.cursors import Position  # noqa: PLC0415
    from enrollments.listing import _find_way  # noqa: PLC0415

    way = _find_way(instance, filters)
    if way.is_short:
        return None
    place = way.ordered().values_list("created_at", way.number)
    count = way.rows.count()
    return Position(*place[count * 9 // 10])


def _median(page: Callable[[], object]) -> float:
    return statistics.median(_milliseconds(page) for _ in range(REQUESTS))


def _milliseconds(page: Callable[[], object]) -> float:
    begun = time.perf_counter()
    page()
    return (time.perf_counter() - begun) * 1000


if __name__ == "__main__":
    sys.exit(main())
