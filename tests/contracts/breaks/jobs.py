"""Breaches of the invariant of background work, and near misses."""

import datetime as dt

from backoffice.models import Export
from core.clock import utc_now
from core.jobs import JobStatus

from .world import World, breaks, spares

HOUR = dt.timedelta(hours=1)


@breaks("core.due_jobs_are_taken_up")
def an_export_that_no_worker_takes(world: World) -> str:
    return f"export {_overdue(world).pk}"


@spares("core.due_jobs_are_taken_up")
def an_export_that_was_given_up(world: World) -> None:
    overdue = _overdue(world)
    Export.objects.filter(pk=overdue.pk).update(status=JobStatus.FAILED, finished_at=utc_now())


def _overdue(world: World) -> Export:
    workspace = world.cohort.instance.workspace
    return Export.objects.create(
        source="enrollments", format="csv", workspace=workspace, next_attempt_at=utc_now() - HOUR
    )
