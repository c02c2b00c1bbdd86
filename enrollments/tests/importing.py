"""Files of candidates, and their import from the upload to its end."""

import io
import json
from typing import Any

from core.clock import utc_now
from enrollments.imports.job import import_candidates, receive_import
from enrollments.imports.options import Options
from enrollments.imports.reading import Format
from enrollments.models import Enrollment, ImportJob, ProgramInstance
from enrollments.states import ReviewMode

from .criteria import set_criterion
from .factories import STAFF, InstanceFactory


def adults_only() -> ProgramInstance:
    """Return an instance whose candidates wait for a reviewer if they are of age."""
    made = InstanceFactory(review_mode=ReviewMode.MANUAL)
    return set_criterion(made, "metadata.age >= 18", otherwise="Too young")


def csv_of(count: int, *, start: int = 0, age: int = 18) -> bytes:
    """Return a file with this many persons of this age."""
    rows = [f"Ann{n},Lee,ann{n}@example.org,{age},NY\n" for n in range(start, start + count)]
    return ("firstName,lastName,email,metadata.age,state\n" + "".join(rows)).encode()


def ndjson(*documents: dict[str, Any]) -> bytes:
    return "\n".join(json.dumps(document) for document in documents).encode()


def receive(instance: ProgramInstance, content: bytes, kind: Format = Format.CSV, **options: Any) -> ImportJob:
    return receive_import(
        instance_id=instance.pk,
        file=io.BytesIO(content),
        kind=kind,
        options=Options(**options),
        actor=STAFF,
        now=utc_now(),
    )


def work_on(job: ImportJob) -> ImportJob:
    """Run the job as the worker and its bell do, until nothing is left to do."""
    job.refresh_from_db()
    while not job.is_finished:
        ImportJob.objects.filter(pk=job.pk).update(next_attempt_at=utc_now())
        import_candidates(job_id=job.pk, now=utc_now())
        job.refresh_from_db()
    return job


def import_file(instance: ProgramInstance, content: bytes, kind: Format = Format.CSV, **options: Any) -> ImportJob:
    return work_on(receive(instance, content, kind, **options))


def counts(job: ImportJob) -> dict[str, int]:
    return {name: found for name, found in job.counts.items() if found}


def current(instance: ProgramInstance) -> int:
    return Enrollment.objects.current().filter(instance=instance).count()
