"""Exports: requested, written batch by batch, and kept for a day."""

import datetime as dt
from typing import Any

from celery import signature
from django.db import transaction
from django.db.models import QuerySet

from accounts.models import User
from accounts.staff_tasks import raise_staff_task
from core.actors import Actor
from core.jobs import due_jobs, run_job
from core.replicas import from_replica
from core.work import nudge

from ..models import Export, ExportFormat
from ..task_kinds import EXPORT_FAILED
from .files import append_rows, delete_files, finish_file, forget_strays
from .sources import source_of

BATCH = 1_000
BATCHES_IN_A_ROW = 20
KEPT = dt.timedelta(days=1)
TASK = "backoffice.tasks.write_export"


@transaction.atomic
def request_export(
    *,
    source: str,
    format: ExportFormat,
    options: dict[str, Any],
    workspace_id: int | None = None,
    requested_by: User | None = None,
    actor: Actor,
    now: dt.datetime,
) -> Export:
    """Request a list's file, written in the background. `options` say which part of it, in the source's own terms."""
    export = Export.objects.create(
        source=source,
        format=format,
        options=options,
        workspace_id=workspace_id,
        requested_by=requested_by,
        actor=str(actor),
        created_at=now,
        next_attempt_at=now,
    )
    nudge(signature(TASK), export.pk)
    return export


def write_export(*, export_id: int, now: dt.datetime) -> None:
    """Continue the export, if it is due and no other worker has it."""
    jobs = Export.objects.filter(pk=export_id)
    if run_job(jobs, step=_write_batch, give_up=_give_up, at_most=BATCHES_IN_A_ROW, now=now):
        nudge(signature(TASK), export_id)


def continue_due_exports(*, limit: int, now: dt.datetime) -> int:
    """Sweep: take up exports that were never begun, or abandoned by a worker that died."""
    found = list(due_jobs(Export.objects.all(), now=now)[:limit])
    for export in found:
        write_export(export_id=export.pk, now=now)
    return len(found)


def forget_old_exports(*, limit: int, now: dt.datetime) -> int:
    """Sweep: delete files older than a day."""
    found = list(
        Export.objects.filter(finished_at__lte=now - KEPT, file_deleted_at=None).order_by("finished_at")[:limit]
    )
    for export in found:
        delete_files(export)
        Export.objects.filter(pk=export.pk).update(file_deleted_at=now)
    if len(found) < limit:
        known = set(Export.objects.filter(file_deleted_at=None).values_list("cuid", flat=True))
        forget_strays(known, before=now - KEPT)
    return len(found)


def _write_batch(export: Export, now: dt.datetime) -> bool:
    source = source_of(export)
    rows = _in_order(source.rows(export))  # checks what the person may see, on the primary

    def read() -> tuple[int, list[Any], list[list[str]]]:
        total = export.total if export.position else rows.count()
        batch = list(rows.filter(pk__gt=export.position)[:BATCH])
        return total, batch, source.cells(export, batch)

    # No older than the request: the person may have just changed the rows they want to export.
    export.total, batch, cells = from_replica(read, within=(now - export.created_at).total_seconds())
    export.written = append_rows(export, cells)
    export.count({"rows": len(batch)})
    if batch:
        export.position = batch[-1].pk
    if len(batch) == BATCH:
        return True
    export.written = append_rows(export, source.totals(export))
    finish_file(export, source.columns(export))
    return False


def _give_up(export: Export) -> None:
    """Give up. Back-office users see on its page that it failed; if an API key requested it, staff are told."""
    delete_files(export)
    if export.workspace_id is not None:
        raise_staff_task(
            workspace_id=export.workspace_id,
            kind=EXPORT_FAILED,
            subject=f"export:{export.pk}",
            summary=f"The export was given up after {export.done:,} of {export.total:,} rows.",
        )


def _in_order(rows: QuerySet[Any]) -> QuerySet[Any]:
    return rows.order_by("pk")
