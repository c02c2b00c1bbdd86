"""What a process of the imports bench does: import a file or write the same rows with SQL; die, continue, and undo."""

import csv
import io
import os
import resource
import signal
import time
from tempfile import TemporaryFile
from typing import IO, Any
from unittest.mock import patch

from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

from accounts.models import Learner, Workspace
from core.actors import SYSTEM
from core.clock import utc_now
from core.jobs import RETRY
from core.memory import keep_for_good
from core.work import quietly
from enrollments.eligibility.criteria import change_criteria
from enrollments.imports import batch, job
from enrollments.imports.job import import_candidates, receive_import, undo_import
from enrollments.imports.options import Options
from enrollments.imports.reading import Format
from enrollments.models import (
    EligibilityVerdict,
    Enrollment,
    EnrollmentLabel,
    EnrollmentTransition,
    ImportedRow,
    ImportJob,
    Program,
    ProgramInstance,
)
from events.models import OutboxEvent
from operations.doctor import examine

from .evaluation_jobs import CRITERIA
from .stack import ROOT

COLUMNS = (
    *("firstName", "lastName", "email", "streetOne", "city", "state", "postalCode", "country"),
    *("manufacturerSlugs", "tags", "referenceId", "metadata.age", "metadata.grade"),
)
# gradeLevel is the learner's own, which a file of candidates does not contain.
_CRITERIA = [draft for draft in CRITERIA if draft.name != "Grade"]
_GRADE = CRITERIA[2].__class__("Grade", "metadata.grade in [4, 5, 6]", "Another grade")
TABLES = (Learner, Enrollment, EnrollmentTransition, EligibilityVerdict, EnrollmentLabel, OutboxEvent, ImportedRow)


def _instance(mark: str) -> ProgramInstance:
    """Create an instance for the mark, with five criteria."""
    workspace, _ = Workspace.objects.get_or_create(slug="imports", defaults={"name": "Imports"})
    found = ProgramInstance.objects.filter(workspace=workspace, name=f"Bench {mark}").first()
    if found is not None:
        return found
    program = Program.objects.create(workspace=workspace, code=f"bench-{mark}", title="Bench")
    instance = ProgramInstance.objects.create(workspace=workspace, program=program, name=f"Bench {mark}")
    change_criteria(instance_id=instance.pk, drafts=[*_CRITERIA, _GRADE], actor=SYSTEM, now=utc_now())
    return instance


def _write(file: IO[bytes], mark: str, count: int) -> None:
    """Write `count` candidates as CSV. A tenth is too young; everything else holds for everybody."""
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    rows = csv.writer(text)
    rows.writerow(COLUMNS)
    for n in range(count):
        age = 9 if n % 10 == 0 else 12
        where = ("1 Main St", "New York", "NY", "10001", "US")
        rows.writerow(
            (f"Jane {mark}{n}", "Doe", f"{mark}{n}@example.org", *where, "sma,enphase", "vip", f"R{n}", age, 5)
        )
    text.detach()
    file.seek(0)


def _receive(mark: str, count: int) -> ImportJob:
    with TemporaryFile() as file:
        _write(file, mark, count)
        return receive_import(
            instance_id=_instance(mark).pk,
            file=file,
            kind=Format.CSV,
            options=Options(evaluate=True, tell_families=False),
            actor=SYSTEM,
            now=utc_now(),
        )


def _rows() -> dict[str, int]:
    return {table.__name__: table._default_manager.count() for table in TABLES}


def _since(before: dict[str, int]) -> dict[str, int]:
    return {name: found - before[name] for name, found in _rows().items() if name != "OutboxEvent"}


def import_file(*, mark: str, count: int) -> dict[str, Any]:
    """Import as web and worker do, including the upload; return the rate, and the megabytes that this added."""
    keep_for_good()
    with quietly():
        _work_on(_receive(f"{mark}warm", 50))  # connections and compiled criteria
        before = _rows()
        with TemporaryFile() as file:
            _write(file, mark, count)
            instance = _instance(mark)
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            started = time.perf_counter()
            work = receive_import(
                instance_id=instance.pk,
                file=file,
                kind=Format.CSV,
                options=Options(evaluate=True, tell_families=False),
                actor=SYSTEM,
                now=utc_now(),
            )
            _work_on(work)
            seconds = time.perf_counter() - started
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) / 1024
    imported = work.counts.get("imported", 0)
    return {"imported": imported, "rate": count / seconds, "grown_mb": grown, "rows": _since(before)}


def _work_on(work: ImportJob) -> None:
    while not work.is_finished:
        import_candidates(job_id=work.pk, now=utc_now())
        work.refresh_from_db()
        if work.last_error:
            raise RuntimeError(work.last_error)


def write_by_sql(*, mark: str, count: int) -> dict[str, Any]:
    """Write the same rows with COPY and one statement per table: what the database itself needs for them."""
    instance = _instance(mark)
    work = ImportJob.objects.create(
        workspace_id=instance.workspace_id, instance=instance, stage="import", status="completed", actor="system"
    )
    before = _rows()
    statements = (ROOT / "bench" / "imports.sql").read_text().split(";\n")
    values = {"instance": instance.pk, "workspace": instance.workspace_id, "job": work.pk}
    columns = ", ".join(f"c{number}" for number in range(len(COLUMNS)))
    with TemporaryFile() as file, connection.cursor() as cursor:
        _write(file, mark, count)
        started = time.perf_counter()
        cursor.execute("BEGIN")
        cursor.execute(statements[0])
        with cursor.cursor.copy(f"COPY bench_file ({columns}) FROM STDIN WITH (FORMAT csv, HEADER true)") as copy:
            while piece := file.read(65_536):
                copy.write(piece)
        for statement in statements[1:]:
            if statement.strip():
                cursor.execute(statement, values)
        cursor.execute("COMMIT")
        seconds = time.perf_counter() - started
        cursor.execute("DROP TABLE bench_file")
    return {"rate": count / seconds, "rows": _since(before)}


# --- Dying, continuing, and undoing -----------------------------------------------------------------------------------


def receive(*, mark: str, count: int) -> dict[str, Any]:
    with quietly():
        return {"job": _receive(mark, count).pk}


def die_at(*, point: str, mark: str) -> dict[str, bool]:
    """Work on the import in a process that is killed after this step of its first batch, before the commit."""
    work = ImportJob.objects.get(instance=_instance(mark))
    ImportJob.objects.filter(pk=work.pk).update(next_attempt_at=utc_now())
    connection.close()
    child = os.fork()
    if child == 0:
        _die(point, work.pk)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return {"killed": os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL}


def _die(point: str, job_id: int) -> None:
    owner: Any = {"read_from": job, "commit": BaseDatabaseWrapper}.get(point, batch)
    original = getattr(owner, point)

    def last(*args: Any, **kwargs: Any) -> Any:
        original(*args, **kwargs)
        os.kill(os.getpid(), signal.SIGKILL)

    with quietly():
        if point == "commit":  # the batch's commit, not the lease's
            with patch.object(job, "_do_batch", _commit_and_die(original)):
                import_candidates(job_id=job_id, now=utc_now())
        else:
            with patch.object(owner, point, last):
                import_candidates(job_id=job_id, now=utc_now())


def _commit_and_die(commit: Any) -> Any:
    step = job._do_batch

    def last_step(*args: Any) -> bool:
        more = step(*args)

        def die(self: Any) -> None:
            commit(self)
            os.kill(os.getpid(), signal.SIGKILL)

        patch.object(BaseDatabaseWrapper, "commit", die).start()
        return more

    return last_step


def go_on(*, mark: str) -> dict[str, int]:
    """Continue as the sweep does once the dead process's lease has expired."""
    work = ImportJob.objects.get(instance=_instance(mark))
    with quietly():
        while not work.is_finished:
            import_candidates(job_id=work.pk, now=utc_now() + RETRY.lease)
            work.refresh_from_db()
            if work.last_error:
                raise RuntimeError(work.last_error)
    return {"imported": work.counts.get("imported", 0), "current": _current(work), "rows": work.rows.count()}


def undo(*, mark: str) -> dict[str, int]:
    """Undo the import; the instance then has as many enrollments as before: none."""
    work = ImportJob.objects.get(instance=_instance(mark))
    with quietly():
        _work_on(undo_import(job_id=work.pk, actor=SYSTEM, now=utc_now()))
        work.refresh_from_db()
    return {"undone": work.counts.get("undone", 0), "current": _current(work)}


def _current(work: ImportJob) -> int:
    return Enrollment.objects.current().filter(instance=work.instance_id).count()


def find_breaches() -> dict[str, Any]:
    """Return what the doctor finds in the workspace afterwards."""
    found = examine(workspace_id=Workspace.objects.get(slug="imports").pk)
    return {name: [str(breach) for breach in breaches][:3] for name, breaches in found.items()}
