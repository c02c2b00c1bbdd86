"""The address of an export's file, which ends a day after it was written.

What staff asked for is at a signed address that opens for them alone, while they are signed in. What an API key asked
for is an address of the API, which needs a key: an address that got into a log or a chat opens nothing.
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
    """Until when its file can be fetched; None while there is none."""
    if export.status != JobStatus.COMPLETED or export.finished_at is None:
        return None
    return export.finished_at + KEPT


def is_ready(export: Export, *, now: dt.datetime) -> bool:
    """Whether its file can be fetched: it is written, and no day has passed since."""
    until = ends_at(export)
    return until is not None and now < until


def export_url(export: Export, *, now: dt.datetime) -> str | None:
    """Where whoever asked for it in the back office can fetch its file, if it is ready."""
    if export.requested_by_id is None or not is_ready(export, now=now):
        return None
    return f"{settings.PUBLIC_URL}{reverse('export-file', args=[_signer.sign(export.cuid)])}"


def find_linked_export(token: str, *, user: User | None, now: dt.datetime) -> tuple[Export, Path]:
    """The export that an address of the back office leads to, and its file. `user` is the member of staff who is signed
    in. Raises NotFound for an address that is forged, has ended, is somebody else's, or leads to what they may not see
    any more."""
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
    """Raises NotFound if there is none yet, or none any more."""
    path = path_of(export)
    if not is_ready(export, now=now) or not path.exists():
        raise NotFound(_GONE)
    return path
