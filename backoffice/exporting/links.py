"""The address of an export's file, which ends a day after it was written.

It is signed, and told only to whoever may see the rows. What staff asked for opens for them alone, while they are
signed in and may still see the list.
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

_signer = Signer(salt="backoffice.exports", sep=".")
_GONE = "This address leads to no file. Files of exports are deleted after a day."


def ends_at(export: Export) -> dt.datetime | None:
    """Until when its file can be fetched; None while there is none."""
    if export.status != JobStatus.COMPLETED or export.finished_at is None:
        return None
    return export.finished_at + KEPT


def export_url(export: Export, *, now: dt.datetime) -> str | None:
    """Where its file can be fetched, None before it is written and after it was deleted."""
    until = ends_at(export)
    if until is None or now >= until:
        return None
    return f"{settings.PUBLIC_URL}{reverse('export-file', args=[_signer.sign(export.cuid)])}"


def find_linked_export(token: str, *, user: User | None, now: dt.datetime) -> tuple[Export, Path]:
    """The export that an address leads to, and its file. `user` is the member of staff who is signed in. Raises
    NotFound for an address that is forged, has ended, or is somebody else's."""
    try:
        cuid = _signer.unsign(token)
    except BadSignature as error:
        raise NotFound(_GONE) from error
    export = Export.objects.filter(cuid=cuid).first()
    if export is None or export_url(export, now=now) is None:
        raise NotFound(_GONE)
    if export.requested_by_id is not None and (user is None or user.pk != export.requested_by_id):
        raise NotFound(_GONE)
    path = path_of(export)
    if not path.exists():
        raise NotFound(_GONE)
    return export, path
