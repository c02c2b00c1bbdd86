"""Files uploaded with an application: which kinds are accepted, where they are stored, and when they are deleted.

The row is written first and deleted first; `forget_orphans` finds what a crash in between leaves in the storage.
"""

import datetime as dt
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import filetype
import structlog
from django.core.files import File
from django.db import transaction
from django.utils.translation import gettext as _

from core.errors import Unavailable
from core.http.uploads import FILE_MAX_BYTES
from core.text import fit
from core.virus_scan import ScannerDown, find_virus

from ..models import Application, ApplicationFile
from ..models.forms import files_of_applications
from ..orphans import delete_orphans

log = structlog.get_logger(__name__)

FOLDER = "applications"
KINDS = {
    "application/pdf": "PDF",
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/webp": "WebP",
    "image/heic": "HEIC",
}
MEDIA_TYPES = ",".join(KINDS)  # for the browser's dialog
KINDS_IN_WORDS = "PDF, JPEG, PNG, WebP or HEIC"
SNIFFED_BYTES = 8_192  # as many as filetype reads
LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class Upload:
    """A file as it was received for a question, with the media type detected from its first bytes."""

    question_id: int
    name: str
    media_type: str
    content: "File[bytes]"


def find_media_type(content: "File[bytes]") -> str | None:
    """Return the file's media type, detected from its first bytes: neither its name nor the browser's claim is trusted.
    None if the type is not accepted.
    """
    content.seek(0)
    found = filetype.guess_mime(content.read(SNIFFED_BYTES))
    content.seek(0)
    return found if found in KINDS else None


def find_fault(content: "File[bytes]") -> str:
    """Return why the file is not accepted; empty if it is. Asks the virus scanner, if there is one, so it must not run
    inside a transaction.
    """
    if content.size is None or content.size > FILE_MAX_BYTES:
        return _("The file is larger than 5 MB. Choose a smaller one.")
    if find_media_type(content) is None:
        return _("Choose a file of one of these kinds: PDF, JPEG, PNG, WebP or HEIC.")
    try:
        virus = find_virus(content)
    except ScannerDown as error:
        log.error("virus_scanner_down", error=str(error))
        return _("Files can't be checked for viruses at the moment. Send the form again in a few minutes.")
    if virus:
        log.warning("virus_found", virus=virus)
        return _("There is a virus in this file. Choose another one.")
    return ""


def keep_files(application: Application, uploads: Iterable[Upload], *, now: dt.datetime) -> None:
    """Store the uploads, as part of the caller's transaction; files stored earlier for the application are deleted.
    Raises Unavailable if the storage fails.
    """
    drop_files(application)
    for upload in uploads:
        file = ApplicationFile(
            application=application,
            question_id=upload.question_id,
            name=fit(ApplicationFile, "name", upload.name),
            media_type=upload.media_type,
            size=upload.content.size,
            created_at=now,
        )
        try:
            file.content.save(file.cuid, upload.content, save=False)
        except OSError as error:
            log.error("file_not_stored", error=type(error).__name__)
            raise Unavailable(_("The file could not be stored. Send the form again in a few minutes.")) from error
        file.save()


def drop_files(application: Application) -> None:
    """Delete the application's files: their rows in the caller's transaction, their contents once it has committed."""
    rows = list(application.files.all())
    application.files.all().delete()
    for row in rows:
        transaction.on_commit(lambda name=row.content.name: files_of_applications().delete(name))  # type: ignore[misc]


def forget_orphans(*, now: dt.datetime) -> int:
    """Delete stored files without a row, which a crash left behind; returns how many."""
    gone = delete_orphans(storage=files_of_applications(), folder=FOLDER, find_known=_find_known, now=now)
    if gone:
        log.info("orphaned_files_deleted", count=gone)
    return gone


def _find_known(names: Sequence[str]) -> Collection[str]:
    return set(ApplicationFile.objects.filter(cuid__in=names).values_list("cuid", flat=True))
