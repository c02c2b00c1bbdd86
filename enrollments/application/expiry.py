"""Deleting applications that nobody confirmed before their link expired, with everything they contain."""

import datetime as dt

import structlog
from django.db import transaction

from ..models import Application
from .receive import delete_application

log = structlog.get_logger(__name__)

BITE = 200


def forget_unconfirmed(*, now: dt.datetime) -> int:
    """Delete applications whose link has expired; returns how many."""
    expired = Application.objects.filter(confirmed_at__isnull=True, expires_at__lte=now)
    gone = 0
    while keys := list(expired.order_by("expires_at").values_list("pk", flat=True)[:BITE]):
        with transaction.atomic():
            # An application that was given a new link in the meantime stays.
            for application in expired.select_for_update().filter(pk__in=keys).order_by("pk"):
                delete_application(application)
                gone += 1
    if gone:
        log.info("unconfirmed_applications_deleted", count=gone)
    return gone
