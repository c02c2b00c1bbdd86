"""What a process of the completions bench does: seed learners at a partner, and handle the partner's reports."""

import time
from typing import Any

from django.db import connection, transaction

from accounts.models import Workspace
from core.actors import SYSTEM
from core.clock import utc_now
from core.memory import keep_for_good
from core.work import in_batches, quietly
from enrollments.models import Program, ProgramInstance
from events.models import OutboxEvent
from operations.doctor import examine
from partners.inbox import BATCH, handle_due_events
from partners.models import EnrollmentStep, PartnerEvent, StepTransition
from partners.providers import create_provider
from partners.sequences import GroupDraft, ItemDraft, define_sequence

from .stack import ROOT

WARM_UP = 100


def seed(*, mark: str, count: int) -> dict[str, Any]:
    """Create a program at two partners in order, with `count` learners whose completion at the first is reported."""
    now = utc_now()
    workspace = Workspace.objects.create(slug=f"completions-{mark}", name="Completions")
    program = Program.objects.create(workspace=workspace, code="bench", title="Bench")
    instance = ProgramInstance.objects.create(workspace=workspace, program=program, name="Bench")
    partners = [
        create_provider(
            workspace_id=workspace.pk, slug=f"{mark}-{n}", name=f"Partner {n}", base_url="https://x.test", now=now
        )
        for n in (1, 2)
    ]
    items = tuple(ItemDraft(each.slug, "course") for each in partners)
    define_sequence(program_id=program.pk, groups=[GroupDraft(items)], actor=SYSTEM, now=now)
    values: dict[str, Any] = {"mark": mark, "workspace": workspace.pk, "instance": instance.pk, "count": count}
    values["first"] = partners[0].pk
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        for statement in _statements("completions_seed.sql"):
            cursor.execute(statement, values)
        cursor.execute("VACUUM ANALYZE")
    return {"workspace": workspace.pk, "first": partners[0].pk}


def handle(*, workspace: int, first: int) -> dict[str, Any]:
    """Handle the events as the sweep does; return how many per second."""
    keep_for_good()
    with quietly():
        handle_due_events(limit=WARM_UP, now=utc_now())
        started = time.perf_counter()
        done = in_batches(handle_due_events, size=BATCH, at_most=1_000_000)
        seconds = time.perf_counter() - started
    return {"rate": done / seconds}


def write_by_sql(*, workspace: int, first: int) -> dict[str, Any]:
    """Write the same rows in one statement: what the database itself needs for them."""
    (statement,) = _statements("completions.sql")
    started = time.perf_counter()
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement, {"first": first, "workspace": workspace, "now": utc_now()})
    return {"rate": PartnerEvent.objects.filter(provider=first).count() / (time.perf_counter() - started)}


def count_rows(*, workspace: int, first: int) -> dict[str, int]:
    """Count the rows that completions leave; each kind must have as many as there are learners."""
    steps = EnrollmentStep.objects.filter(enrollment__workspace=workspace)
    changes = StepTransition.objects.filter(step__enrollment__workspace=workspace)
    told = OutboxEvent.objects.filter(workspace=workspace)
    return {
        "events handled": PartnerEvent.objects.filter(provider=first, outcome="completed").count(),
        "steps completed": steps.filter(provider=first, status="completed", progress=100).count(),
        "steps queued": steps.filter(status="queued", next_attempt_at__isnull=False).count(),
        "completions recorded": changes.filter(to_status="completed").count(),
        "next steps recorded": changes.filter(to_status="queued", step__sequence_order=2).count(),
        "completions told": told.filter(type="partner.step_completed").count(),
        "next steps told": told.filter(type="partner.step_queued").count(),
    }


def find_breaches(*, workspace: int, first: int) -> dict[str, list[str]]:
    """Return what the doctor finds in the workspace afterwards."""
    found = examine(workspace_id=workspace)
    return {name: [str(breach) for breach in breaches][:3] for name, breaches in found.items()}


def _statements(file: str) -> list[str]:
    return [part for part in (ROOT / "bench" / file).read_text().split(";\n") if part.strip()]
