"""The stored records of a file until they are processed: in the private storage, one JSON document per line, so that a
job continues at the byte where it stopped. They are deleted with the job's last batch, or after seven days.
"""

import datetime as dt
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import partial
from tempfile import NamedTemporaryFile

import structlog
from django.core.files import File
from django.core.files.storage import Storage, storages
from django.db import transaction

from core.errors import FieldError, Unavailable

from ..models import ImportJob
from ..orphans import delete_orphans
from .faults import UnreadableFile
from .reading import Record

log = structlog.get_logger(__name__)

FOLDER = "imports"
KEPT_FOR = dt.timedelta(days=7)
MAX_RECORDS = 2_000_000


def storage_of_imports() -> Storage:
    """Return the storage outside of what the web server serves. Only the job reads it."""
    return storages["private"]


def name_of(job: ImportJob) -> str:
    return f"{FOLDER}/{job.cuid}"


def keep_records(job: ImportJob, found: Iterable[Record]) -> None:
    """Read all records, store them for the job, and set its record count.

    Raises UnreadableFile, and then nothing is stored; Unavailable if the storage fails.
    """
    with NamedTemporaryFile("w+b") as records:
        job.total = 0
        for record in found:
            job.total += 1
            if job.total > MAX_RECORDS:
                raise UnreadableFile(record.line, f"A file has at most {MAX_RECORDS:,} rows. Cut it in two.")
            records.write(_line_of(record))
        records.flush()
        records.seek(0)
        try:
            storage_of_imports().save(name_of(job), File(records))
        except OSError as error:
            log.error("file_not_stored", error=type(error).__name__)
            raise Unavailable("The file could not be stored. Send it again in a few minutes.") from error


def read_from(job: ImportJob, *, at_most: int, part_of: Callable[[Record], object]) -> tuple[list[Record], int]:
    """Return the next records of the job, up to the first one of another part, and the position after them."""
    records: list[Record] = []
    end = job.position
    with storage_of_imports().open(name_of(job), "rb") as file:
        file.seek(end)
        for record in _records(file, at_most):
            if records and part_of(record) != part_of(records[0]):
                break
            records.append(record)
            end = file.tell()
    return records, end


def drop_file(job: ImportJob, *, now: dt.datetime) -> None:
    """Delete the records of a job, which the caller saves. The file is deleted only after the commit; otherwise a batch
    that is repeated would find nothing.
    """
    transaction.on_commit(partial(storage_of_imports().delete, name_of(job)))
    job.file_deleted_at = now


def forget_old_files(*, now: dt.datetime) -> int:
    """Delete files of finished jobs after their retention period, and files without a job; returns how many."""
    gone = 0
    for job in ImportJob.objects.filter(file_deleted_at__isnull=True, created_at__lt=now - KEPT_FOR):
        if job.is_finished:
            drop_file(job, now=now)
            job.save(update_fields=["file_deleted_at"])
            gone += 1
    return gone + delete_orphans(storage=storage_of_imports(), folder=FOLDER, find_known=_find_kept, now=now)


def _find_kept(names: Sequence[str]) -> Collection[str]:
    """Return the names of files that a job has not deleted."""
    kept = ImportJob.objects.filter(cuid__in=names, file_deleted_at__isnull=True)
    return set(kept.values_list("cuid", flat=True))


def _line_of(record: Record) -> bytes:
    fault = record.fault
    why = None if fault is None else [fault.field, fault.code, fault.detail]
    told = [record.line, record.document, why, record.file]
    return json.dumps(told, separators=(",", ":")).encode() + b"\n"


def _records(file: "File[bytes]", at_most: int) -> Iterator[Record]:
    for _ in range(at_most):
        line = file.readline()
        if not line:
            return
        number, document, fault, *name = json.loads(line)  # files stored by the previous version name none
        yield Record(number, document, None if fault is None else FieldError(*fault), *name)
