"""What integrators, staff, and workers do at once with files of candidates and with rosters."""

import datetime as dt
import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from accounts.models import Lead
from core.clock import utc_now
from enrollments.errors import ImportNotReady, UndoTooLate
from enrollments.imports.files import forget_old_files
from enrollments.imports.job import (
    carry_out_rehearsed,
    continue_due_imports,
    receive_import,
    receive_roster,
    undo_import,
)
from enrollments.imports.options import Options
from enrollments.imports.reading import Format
from enrollments.imports.retention import forget_old_rows
from enrollments.models import ImportJob
from enrollments.states import DuplicatePolicy
from enrollments.tests.factories import STAFF
from enrollments.tests.importing import ndjson, work_on
from enrollments.tests.rosters import COURSES, archive_of, ending, school

from ..any_order import ENROLLMENTS, pick
from .acting import Acting, Step

FINISHED = ImportJob.objects.filter(status__in=["completed", "failed"])
REHEARSED = FINISHED.filter(stage__in=["rehearsal", "stopped"])
IMPORTED = FINISHED.filter(stage="import")
STUDENTS = 5
UNDONE_AT_THE_END = 4


def imports(act: Acting) -> Iterator[Step]:
    yield lambda: _send_candidates(act)
    yield lambda: _send_candidates(act)
    yield lambda: _send_roster(act)
    yield lambda: _send_endings(act)
    yield lambda: act.attempt(continue_due_imports, limit=2)
    yield lambda: act.on(REHEARSED, carry_out_rehearsed, "job_id", may_end_many=True, actor=STAFF)
    yield lambda: act.on(IMPORTED, undo_import, "job_id", actor=STAFF)
    yield lambda: act.attempt(forget_old_rows, limit=100)
    yield lambda: act.attempt(forget_old_files)


def finish_imports() -> list[str]:
    """Finish what was begun, undo the latest of it, and return the errors of imports that could not be finished."""
    for job in ImportJob.objects.exclude(status__in=["completed", "failed"]):
        work_on(job)
    for job in IMPORTED.order_by("-pk")[:UNDONE_AT_THE_END]:
        with suppress(ImportNotReady, UndoTooLate):
            undo_import(job_id=job.pk, actor=STAFF, now=utc_now())
            work_on(job)
    return list(ImportJob.objects.filter(status="failed").values_list("last_error", flat=True))


def _options(act: Acting) -> Options:
    return Options(
        evaluate=act.yes(),
        on_duplicate=act.chance.choice(list(DuplicatePolicy)),
        may_end_many=act.yes(),
        is_rehearsal=act.chance.random() < 0.2,
    )


def _send_candidates(act: Acting) -> None:
    """Send a file that names people in all four ways, in any order."""
    lines: list[dict[str, Any]] = [
        {"firstName": f"L{n}", "lastName": "Doe", "email": f"l{n}@school.test", "metadata": {"n": act.nth()}}
        for n in act.chance.sample(range(1, 9), 3)
    ]
    if act.yes():
        lines += [{"identificationType": "customerId", "customerId": act.student().cuid, "tags": ["x"]}]
        lines += [
            {"identificationType": "leadId", "leadId": lead.cuid}
            for lead in Lead.objects.filter(workspace=act.workspace)[:3]
        ]
        lines += [
            {"identificationType": "enrollmentId", "enrollmentId": pick(ENROLLMENTS, act.nth()).cuid} for _ in range(2)
        ]
    act.chance.shuffle(lines)
    _send(
        act,
        receive_import,
        instance_id=act.chance.choice([act.instance.pk, act.cohort.instance_id]),
        file=io.BytesIO(ndjson(*lines)),
        kind=Format.JSON_LINES,
    )


def _send_roster(act: Acting) -> None:
    numbers = act.chance.sample(range(1, STUDENTS + 1), 3)
    _send_archive(act, school(*numbers))


def _send_endings(act: Acting) -> None:
    numbers = act.chance.sample(range(1, STUDENTS + 1), 2)
    later = (act.now + dt.timedelta(days=2)).date().isoformat()
    _send_archive(act, ending(*numbers, end=act.chance.choice(["", later])), mode="delta")


def _send_archive(act: Acting, files: Mapping[str, str | bytes], *, mode: str = "bulk") -> None:
    code = act.chance.choice([act.instance, act.cohort.instance]).program.code
    named = {**files, "courses.csv": COURSES.replace("CODING", code)}
    _send(act, receive_roster, workspace_id=act.workspace.pk, file=io.BytesIO(archive_of(named, mode=mode)))


def _send(act: Acting, receive: Callable[..., ImportJob], **what: Any) -> None:
    """Send it, and let a worker begin with what is due."""
    act.attempt(receive, options=_options(act), actor=STAFF, **what)
    act.attempt(continue_due_imports, limit=1)
