"""`python -m bench.pipeline`: the figures of the partner pipeline against raw SQL for the same figures.

SQL creates a million steps at four partners, on a PostgreSQL of its own. Both ways alternate, and the median of the
ratios may be at most AT_MOST; other load on the machine slows both alike. The bench also fails if the counts differ.
"""

import argparse
import datetime as dt
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

STEPS = 1_000_000
QUICK_STEPS = 50_000
PARTNERS = 4
ROUNDS = 7
AT_MOST = 2.0

_SEED = """
    INSERT INTO accounts_learner (cuid, workspace_id, identity, person, first_name, last_name, email, phone,
                                  grade_level, school, created_at)
    SELECT 'l' || lpad(n::text, 23, '0'), %(workspace)s, 'who:' || n, md5(n::text), 'First' || n,
           'Last' || n %% 5000, 'person' || n || '@bench.test', '', '', '', now()
      FROM generate_series(1, %(learners)s) n;
    INSERT INTO enrollments_enrollment (cuid, workspace_id, instance_id, learner_id, identification_type,
        eligibility_status, eligibility_reason, criteria_version, participation_status, payment_status, metadata,
        reference_id, tags, manufacturer_slugs, transition_count, created_at, updated_at)
    SELECT 'e' || substr(cuid, 2), %(workspace)s, %(instance)s, id, 'customerInfo', 'approved', '', 0, 'active',
           'not_required', '{}', '', '[]', '[]', 0, now(), now()
      FROM accounts_learner WHERE workspace_id = %(workspace)s;
    INSERT INTO partners_enrollmentstep (cuid, enrollment_id, item_id, provider_id, course_id, sequence_order, status,
        launch_url, progress, evidence, attempts, last_error, change_count, changed_at, created_at, started_at, due_at,
        completed_at)
    SELECT 's' || e.id || 'x' || i.position, e.id, i.id, i.provider_id, '', i.position, made.status, '', 0, '', 0, '',
           0, made.began, made.began,
           CASE WHEN made.status IN ('in_progress', 'completed') THEN made.began END,
           CASE WHEN made.status IN ('in_progress', 'completed') THEN made.began + interval '14 days' END,
           CASE WHEN made.status = 'completed' THEN made.began + e.id %% 20 * interval '1 day' END
      FROM enrollments_enrollment e
      CROSS JOIN partners_sequenceitem i
      CROSS JOIN LATERAL (
          SELECT (ARRAY['pending', 'queued', 'in_progress', 'completed', 'completed', 'completed', 'completed',
                        'failed', 'skipped', 'withdrawn'])[1 + (e.id * 7 + i.position * 3) %% 10] AS status,
                 now() - (e.id %% 60) * interval '1 day' - interval '21 days' AS began
      ) made
     WHERE e.instance_id = %(instance)s;
"""

_COUNTS = """
    SELECT provider_id, count(*) FILTER (WHERE status IN ('pending', 'queued')),
           count(*) FILTER (WHERE status = 'in_progress'), count(*) FILTER (WHERE status = 'completed'),
           count(*) FILTER (WHERE status = 'failed'), count(*) FILTER (WHERE status = 'skipped'),
           count(*) FILTER (WHERE status = 'withdrawn'),
           count(*) FILTER (WHERE started_at IS NOT NULL OR status = 'completed'),
           count(*) FILTER (WHERE status = 'withdrawn' AND started_at IS NOT NULL),
           count(*) FILTER (WHERE completed_at > %(now)s - interval '28 days' AND completed_at <= %(now)s),
           count(*) FILTER (WHERE completed_at > %(now)s - interval '56 days'
                              AND completed_at <= %(now)s - interval '28 days'),
           count(*) FILTER (WHERE (status = 'in_progress' AND changed_at < %(now)s - interval '14 days')
                               OR (status = 'queued' AND changed_at < %(now)s - interval '24 hours'))
      FROM partners_enrollmentstep WHERE provider_id = ANY(%(providers)s) AND retired_at IS NULL GROUP BY provider_id
"""
_MEDIANS = """
    SELECT provider_id, percentile_cont(0.5) WITHIN GROUP (ORDER BY completed_at - started_at)
      FROM partners_enrollmentstep
     WHERE provider_id = ANY(%(providers)s) AND retired_at IS NULL AND status = 'completed' AND started_at IS NOT NULL
     GROUP BY provider_id
"""
_LATE = """
    provider_id = ANY(%(providers)s) AND retired_at IS NULL
       AND (status = 'failed' OR (status = 'in_progress' AND changed_at < %(now)s - interval '7 days')
            OR (status = 'queued' AND changed_at < %(now)s - interval '1 hour'))
"""
_STUCK = f"SELECT provider_id, count(*) FROM partners_enrollmentstep WHERE {_LATE} GROUP BY provider_id"
_LONGEST = f"""
    SELECT s.*, e.*, l.* FROM (SELECT * FROM partners_enrollmentstep WHERE {_LATE} ORDER BY changed_at, id LIMIT 200) s
      JOIN enrollments_enrollment e ON e.id = s.enrollment_id JOIN accounts_learner l ON l.id = e.learner_id
"""


def main() -> int:
    """Return 0 when the figures stay within their limit, 1 otherwise."""
    parser = argparse.ArgumentParser(prog="python -m bench.pipeline", description=__doc__)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_STEPS:,} steps, and no gate on the ratio")
    asked = parser.parse_args()
    with running_servers() as servers:
        migrate(servers)
        os.environ.update(environment(servers, settings=OURS))
        django.setup()
        ratio, is_same = _measure(QUICK_STEPS if asked.quick else STEPS)
    failures = [] if is_same else ["the page counts other steps than SQL does"]
    if ratio > AT_MOST and not asked.quick:
        failures.append(f"the figures take {ratio:.2f} times as long as raw SQL; at most {AT_MOST:g}")
    return exit_code(failures)


def _measure(steps: int) -> tuple[float, bool]:
    from core.clock import utc_now  # noqa: PLC0415  (models exist after setup)
    from partners.pipeline import pipeline_of  # noqa: PLC0415

    workspace_id, providers = _seed(steps)
    now = utc_now()
    ratios = []
    for _ in range(ROUNDS):
        raw_seconds, raw = _timed(lambda: _by_sql(providers, now))
        our_seconds, figures = _timed(lambda: pipeline_of(workspace_id=workspace_id, now=now))
        ratios.append(our_seconds / raw_seconds)
        print(f"raw SQL {raw_seconds:.2f} s, the figures {our_seconds:.2f} s, ratio {ratios[-1]:.2f}")
    counted = {each.provider.pk: (each.pending, each.in_progress, each.completed, each.failed) for each in figures}
    stuck = {each.provider.pk: each.stuck_count for each in figures}
    ratio = statistics.median(ratios)
    print(f"{steps:,} steps at {PARTNERS} partners: {ratio:.2f} times the raw SQL of the same figures")
    return ratio, counted == {row[0]: tuple(row[1:5]) for row in raw[0]} and stuck == dict(raw[1])


def _timed(call: Callable[[], Any]) -> tuple[float, Any]:
    begun = time.perf_counter()
    found = call()
    return time.perf_counter() - begun, found


def _by_sql(providers: list[int], now: dt.datetime) -> list[list[Any]]:
    from django.db import connection  # noqa: PLC0415

    found = []
    with connection.cursor() as cursor:
        for statement in (_COUNTS, _STUCK, _MEDIANS, _LONGEST):
            cursor.execute(statement, {"providers": providers, "now": now})
            found.append(cursor.fetchall())
    return found


def _seed(steps: int) -> tuple[int, list[int]]:
    from django.db import connection  # noqa: PLC0415

    from accounts.models import Workspace  # noqa: PLC0415
    from core.actors import SYSTEM  # noqa: PLC0415
    from core.clock import utc_now  # noqa: PLC0415
    from enrollments.models import Program, ProgramInstance  # noqa: PLC0415
    from partners.providers import create_provider  # noqa: PLC0415
    from partners.sequences import GroupDraft, ItemDraft, define_sequence  # noqa: PLC0415

    now = utc_now()
    workspace = Workspace.objects.create(slug="bench", name="Bench")
    program = Program.objects.create(workspace=workspace, code="bench", title="Bench")
    instance = ProgramInstance.objects.create(workspace=workspace, program=program, name="Bench")
    providers = [
        create_provider(
            workspace_id=workspace.pk, slug=f"partner-{n}", name=f"Partner {n}", base_url="https://x.test", now=now
        )
        for n in range(PARTNERS)
    ]
    items = tuple(ItemDraft(each.slug, "course") for each in providers)
    define_sequence(program_id=program.pk, groups=[GroupDraft(items)], actor=SYSTEM, now=now)
    known = {"workspace": workspace.pk, "instance": instance.pk, "learners": steps // PARTNERS}
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        for statement in _SEED.split(";")[:-1]:
            cursor.execute(statement, known)
        cursor.execute("VACUUM ANALYZE partners_enrollmentstep")
    return workspace.pk, [each.pk for each in providers]


if __name__ == "__main__":
    sys.exit(main())
