"""How long the audit log is kept."""

import datetime as dt

import structlog
from django.conf import settings
from django.db import models, transaction

from ..models import AuditEntry

log = structlog.get_logger(__name__)


@transaction.atomic
def forget_old_entries(*, limit: int, now: dt.datetime) -> int:
    """Delete up to `limit` entries past their time; returns how many. The database refuses younger ones than a year."""
    old = AuditEntry.objects.filter(at__lt=now - dt.timedelta(days=settings.AUDIT_LOG_KEPT_DAYS))
    found = list(old.order_by("pk").values_list("pk", flat=True)[:limit])
    if found:
        models.QuerySet.delete(AuditEntry.objects.filter(pk__in=found))
        log.info("audit_entries_forgotten", count=len(found))
    return len(found)
