"""The URL of an export's file, which expires a day after the file was written.

A staff member's export is at a signed URL that opens for them alone, while they are signed in. An API key's export is
at an API URL, which needs a key: a URL that ends up in a log or a chat opens nothing.
"""

import datetime as dt
from pathlib import Path

from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.urls import reverse

from accounts.models import User
from core.errors import NotFound
from core.jobs import JobStatus

from ..models import Export
from .files import path_of
from .jobs import KEPT
from .sources import source_of

_signer = Signer(salt="backoffice.exports", sep=".")
_GONE = "There is no file at this address. Export files are deleted after a day."


def ends_at(export: Export) -> dt.datetime | None:
    """Return until when its file can be fetched; None while there is none."""
    if export.status != JobStatus.COMPLETED or export.finished_at is None:
        return None
    return export.finished_at + KEPT


def is_ready(export: Export, *, now: dt.datetime) -> bool:
    """Return whether its file can be fetched: it is written, and less than a day has passed since."""
    until = ends_at(export)
    return until is not None and now < until


def export_url(export: Export, *, now: dt.datetime) -> str | None:
    """Return where the person who requested it in the back office can fetch its file, if it is ready."""
    if export.requested_by_id is None or not is_ready(export, now=now):
        return None
    return f"{settings.PUBLIC_URL}{reverse('export-file', args=[_signer.sign(export.cuid)])}"


def find_linked_export(token: str, *, user: User | None, now: dt.datetime) -> tuple[Export, Path]:
    """Return the export that a back-office URL leads to, and its file. `user` is the signed-in staff member. Raises
    NotFound for a URL that is forged, has expired, belongs to somebody else, or leads to what they may no longer see.
    """
    try:
        cuid = _signer.unsign(token)
    except BadSignature as error:
        raise NotFound(_GONE) from error
    export = Export.objects.filter(cuid=cuid).first()
    if (
        export is None
        or user is None
        or export.requested_by_id != user.pk
        or not source_of(export).is_open_still(export)
    ):
        raise NotFound(_GONE)
    return export, find_file(export, now=now)


def find_file(export: Export, *, now: dt.datetime) -> Path:
    """Return the export's file. Raises NotFound if it does not exist yet, or no longer exists."""
    path = path_of(export)
    if not is_ready(export, now=now) or not path.exists():
        raise NotFound(_GONE)
    return path
