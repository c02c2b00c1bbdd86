"""Deleting an import's rows 90 days after it ended: what it did with which line, and the faults. Its counts stay. See
docs/decisions/0106-rows-of-imports-are-kept-for-90-days.md.
"""

import datetime as dt

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef

from ..models import ImportedRow, ImportFault, ImportJob

log = structlog.get_logger(__name__)


def is_forgotten(job: ImportJob, *, now: dt.datetime) -> bool:
    """Return whether its rows are gone, or may be deleted at any moment."""
    return job.finished_at is not None and job.finished_at < _oldest_kept(now)


@transaction.atomic
def forget_old_rows(*, limit: int, now: dt.datetime) -> int:
    """Delete up to `limit` rows of one import that ended long ago; returns how many."""
    ended = ImportJob.objects.filter(finished_at__lt=_oldest_kept(now))
    has_rows = Exists(ImportedRow.objects.filter(job=OuterRef("pk")))
    has_faults = Exists(ImportFault.objects.filter(job=OuterRef("pk")))
    locked = ended.filter(has_rows | has_faults).select_for_update(skip_locked=True, no_key=True)
    job = locked.order_by("pk").first()
    if job is None:
        return 0
    gone = 0
    for model in (ImportedRow, ImportFault):
        found = list(model.objects.filter(job=job).order_by("pk").values_list("pk", flat=True)[: limit - gone])
        model.objects.filter(pk__among=found).delete()
        gone += len(found)
    log.info("imported_rows_forgotten", job=job.cuid, count=gone)
    return gone


def _oldest_kept(now: dt.datetime) -> dt.datetime:
    return now - dt.timedelta(days=settings.IMPORT_ROWS_KEPT_DAYS)
