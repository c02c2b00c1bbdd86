"""How long the audit log is kept, and what of it goes when a person is erased."""

import datetime as dt
from collections.abc import Collection

import structlog
from django.conf import settings
from django.db import models, transaction

from core.personal import ERASED  # the same word that the database's trigger uses

from ..models import AuditEntry

log = structlog.get_logger(__name__)


@transaction.atomic
def forget_old_entries(*, limit: int, now: dt.datetime) -> int:
    """Delete up to `limit` expired entries; return how many. The database refuses to delete any younger than a year."""
    old = AuditEntry.objects.filter(at__lt=now - dt.timedelta(days=settings.AUDIT_LOG_KEPT_DAYS))
    found = list(old.order_by("pk").values_list("pk", flat=True)[:limit])
    if found:
        models.QuerySet.delete(AuditEntry.objects.filter(pk__in=found))
        log.info("audit_entries_forgotten", count=len(found))
    return len(found)


def blank_reasons(*, model: str, object_ids: Collection[object]) -> int:
    """Blank the reasons that staff wrote in every entry about these rows of a model ("accounts.learner"); return in how
    many. For the erasure of a person whom a reason may name. It joins the caller's transaction, and the entries keep
    who did what, when, and to which row. The database lets a reason become ERASED, and nothing else change."""
    about = AuditEntry.objects.filter(model=model, object_id__in=[str(each) for each in object_ids])
    return models.QuerySet.update(about.exclude(reason__in=["", ERASED]), reason=ERASED)
