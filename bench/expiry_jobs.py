"""What a process of the expiry bench does: seed enrollments past their end, and complete them in our code or in SQL."""

import datetime as dt
import resource
import time
from typing import Any

from django.db import connection, transaction

from accounts.api_keys import create_api_key
from accounts.models import Workspace
from core.clock import utc_now
from core.memory import keep_for_good
from core.work import quietly
from enrollments.expiry import BATCH, expire_in_batches
from enrollments.models import Enrollment, EnrollmentTransition, Program, ProgramInstance
from events.models import OutboxEvent
from operations.doctor import examine

from .stack import ROOT

# Each with the four transitions that brought it to its state.
_LEARNERS = """
    INSERT INTO accounts_learner (cuid, workspace_id, identity, person, first_name, last_name, email, phone,
                                  grade_level, school, address, created_at)
    SELECT %(mark)s || lpad(n::text, 20, '0'), %(workspace)s, %(mark)s || n, %(mark)s || n, 'Jane', 'Doe', '', '', '5',
           '', '{}', now()
      FROM generate_series(1, %(count)s) n
"""
_ENROLLMENTS = """
    INSERT INTO enrollments_enrollment (cuid, workspace_id, instance_id, learner_id, identification_type,
        eligibility_status, eligibility_reason, criteria_version, participation_status, payment_status, metadata,
        address, manufacturer_slugs, tags, transition_count, created_at, updated_at)
    SELECT %(mark)s || lpad(id::text, 20, '0'), workspace_id, %(instance)s, id, 'customerId', 'approved', '', 0,
           'active', 'not_required', '{}', '{}', '[]', '[]', 4, now(), now()
      FROM accounts_learner WHERE workspace_id = %(workspace)s
"""
_TRANSITIONS = """
    INSERT INTO enrollments_enrollmenttransition
        (enrollment_id, number, facet, from_status, to_status, reason, note, actor, request_id, created_at)
    SELECT e.id, t.number, t.facet, t.from_status, t.to_status, '', '', 'system', '', now() - interval '100 days'
      FROM enrollments_enrollment e,
           (VALUES (1, 'eligibility', 'candidate', 'eligible'), (2, 'eligibility', 'eligible', 'submitted'),
                   (3, 'eligibility', 'submitted', 'approved'), (4, 'participation', 'not_started', 'active'))
           t (number, facet, from_status, to_status)
     WHERE e.workspace_id = %(workspace)s
"""


def seed(*, mark: str, count: int) -> dict[str, Any]:
    """Create a workspace whose only program ended long ago, with `count` learners who still take part."""
    workspace = Workspace.objects.create(slug=f"expiry-{mark}", name="Expiry")
    program = Program.objects.create(workspace=workspace, code="BENCH", title="Bench")
    instance = ProgramInstance.objects.create(
        workspace=workspace, program=program, name="Over", end_date=dt.date(2020, 1, 31)
    )
    values: dict[str, Any] = {"mark": mark, "workspace": workspace.pk, "instance": instance.pk, "count": count}
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        for statement in (_LEARNERS, _ENROLLMENTS, _TRANSITIONS):
            cursor.execute(statement, values)
        cursor.execute("VACUUM ANALYZE")
    return {"workspace": workspace.pk}


def expire(*, workspace: int) -> dict[str, Any]:
    """Complete them as the sweep does; return the rate, and the megabytes this took above the process's own."""
    keep_for_good()
    done, measured, started, memory = 0, 0, 0.0, 0
    with quietly():
        for batch in expire_in_batches(workspace_id=workspace, at_most=100_000_000, clock=utc_now):
            done += len(batch.completed)
            if started:
                measured += len(batch.completed)
            else:  # the first one warms up
                started = time.perf_counter()
                memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = time.perf_counter() - started
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) / 1024
    return {"done": done, "rate": measured / seconds if measured else 0.0, "grown_mb": grown}


def expire_by_sql(*, workspace: int) -> dict[str, Any]:
    """Write the same rows in batches of the same size, each a transaction: what the database itself needs for them."""
    statements = [part for part in (ROOT / "bench" / "expiry.sql").read_text().split(";\n") if part.strip()]
    ids = list(Enrollment.objects.filter(workspace=workspace).order_by("pk").values_list("pk", flat=True))
    started = time.perf_counter()
    for begin in range(0, len(ids), BATCH):
        batch = ids[begin : begin + BATCH]
        with transaction.atomic(), connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement, {"workspace": workspace, "first": batch[0], "last": batch[-1]})
    return {"rate": len(ids) / (time.perf_counter() - started)}


def count_completed(*, workspace: int) -> dict[str, int]:
    """Count the completed enrollments, and the transitions and events that say so."""
    of_workspace = Enrollment.objects.filter(workspace=workspace)
    completions = EnrollmentTransition.objects.filter(enrollment__workspace=workspace, to_status="completed")
    return {
        "completed": of_workspace.filter(participation_status="completed").count(),
        "transitions": completions.count(),
        "events": OutboxEvent.objects.filter(workspace=workspace).count(),
    }


def find_breaches(*, workspace: int) -> dict[str, list[str]]:
    """Return what the doctor finds in the workspace afterwards."""
    found = examine(workspace_id=workspace)
    return {name: [str(breach) for breach in breaches][:3] for name, breaches in found.items()}


def make_key(*, workspace: int) -> dict[str, Any]:
    """Create a key that reads the workspace's enrollments; return it with one enrollment to read."""
    _, key = create_api_key(workspace_id=workspace, name="Bench", scopes=["enrollments:read"], now=utc_now())
    return {"key": key, "enrollment": Enrollment.objects.filter(workspace=workspace).order_by("pk")[0].pk}
