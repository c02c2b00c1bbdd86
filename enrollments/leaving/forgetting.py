"""Deleting quotes that nobody confirmed: what they say is no longer true."""

import datetime as dt

from django.db import transaction

from ..models import CancellationQuote

KEPT_FOR = dt.timedelta(days=1)


@transaction.atomic
def forget_quotes(*, limit: int = 1000, now: dt.datetime) -> int:
    """Sweep: delete quotes that were not confirmed and expired over a day ago; returns how many. None of them can be
    confirmed any more, so nothing needs a lock.
    """
    over = CancellationQuote.objects.filter(confirmed_at=None, expires_at__lt=now - KEPT_FOR)
    found = list(over.order_by("expires_at", "pk").values_list("pk", flat=True)[:limit])
    over.filter(pk__in=found).delete()
    return len(found)
