"""The worklist of a partner without an API: a file of learners is exported, and imported with the partner's answers.

The exported file has empty columns for the results, which the partner, or staff, fill in. Each line is a transaction of
its own: a line with a mistake is reported and changes nothing, and the others count. The same file may be imported
again: what is already known changes nothing.
"""

import csv
import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO

from django.db import transaction

from backoffice.exporting.files import harmless
from core.actors import Actor
from core.errors import DomainError, FieldError, Invalid, invalid_field
from enrollments.imports.faults import UnreadableFile
from enrollments.imports.lines import find_encoding, read_lines

from .acceptance import record_acceptance, record_refusal
from .errors import StepNotFound
from .locks import lock_step
from .models import EnrollmentStep, Provider
from .progression import mark_step_complete
from .states import Adapter, PartnerStepStatus

COLUMNS = (
    "step",
    "first_name",
    "last_name",
    "email",
    "course",
    "status",
    "external_id",
    "result",
    "evidence",
    "reason",
)
NEEDED = ("step", "result")
SEPARATORS = ",;\t"
RESULTS = ("accepted", "completed", "refused")
ON_THE_LIST = (PartnerStepStatus.QUEUED, PartnerStepStatus.IN_PROGRESS)
LONGEST_ID = EnrollmentStep._meta.get_field("external_enrollment_id").max_length or 0
BY_LIST = "The partner's list of results"


@dataclass(frozen=True, slots=True)
class Told:
    """One line of a file of results."""

    line: int
    step: str
    result: str
    external_id: str
    evidence: str
    reason: str


@dataclass(slots=True)
class Outcome:
    """The result of a file: how many steps changed, how many lines repeated known facts, and the mistakes by line."""

    changed: int = 0
    unchanged: int = 0
    faults: list[tuple[int, FieldError]] = field(default_factory=list)


def list_work(provider: Provider) -> Iterator[tuple[str, ...]]:
    """Yield the lines of the worklist, its header first: learners to enroll, and learners in progress, the oldest
    first. No cell is one that a spreadsheet would execute.
    """
    yield COLUMNS
    steps = EnrollmentStep.objects.current().filter(provider=provider, status__in=ON_THE_LIST)
    for step in steps.select_related("enrollment__learner", "item").order_by("changed_at", "pk").iterator():
        learner = step.enrollment.learner
        names = (learner.first_name, learner.last_name, learner.email) if learner else ("", "", "")
        cells = (step.cuid, *names, step.course, step.status, step.external_enrollment_id or "", "", "", "")
        yield tuple(harmless(cell) for cell in cells)


def import_results(
    *,
    provider: Provider,
    file: IO[bytes],
    at_most: int | None = None,
    dry_run: bool = False,
    actor: Actor,
    now: dt.datetime,
) -> Outcome:
    """Record the answers of a partner without an API. Lines without a result are skipped.

    Raises Invalid for a partner that has an API, or more results than `at_most`, and UnreadableFile; then nothing was
    changed.
    """
    if provider.adapter != Adapter.MANUAL:
        raise invalid_field("partner", "has_api", f"{provider.slug} has an API, and tells its results by itself.")
    outcome = Outcome()
    results = list(_read(file))
    if at_most is not None and len(results) > at_most:
        found = f"The file has {len(results):,} results, and {at_most:,} are taken at once. Send it in parts."
        raise invalid_field("file", "too_many", found)
    for told in results:
        try:
            with transaction.atomic():
                is_news = _record(provider, told, actor, now)
                transaction.set_rollback(dry_run)
        except Invalid as refusal:
            outcome.faults.extend((told.line, fault) for fault in refusal.errors)
        except DomainError as refusal:
            outcome.faults.append((told.line, FieldError(_field_of(refusal), refusal.code, refusal.detail)))
        else:
            outcome.changed += is_news
            outcome.unchanged += not is_news
    return outcome


def _record(provider: Provider, told: Told, actor: Actor, now: dt.datetime) -> bool:
    """Apply one line behind the lock of the enrollment; returns whether it changed anything."""
    found = EnrollmentStep.objects.filter(cuid=told.step, provider=provider).values_list("pk", flat=True).first()
    if found is None:
        raise StepNotFound(f"{provider.slug} has no such step. Leave this column as the worklist has it.")
    step, _ = lock_step(found)
    if told.result not in RESULTS:
        raise invalid_field("result", "unknown", f"Give one of {', '.join(RESULTS)}, or clear this cell.")
    if len(told.external_id) > LONGEST_ID or not told.external_id.isprintable():
        raise invalid_field("external_id", "invalid", f"Give at most {LONGEST_ID} printable characters.")
    if told.result == "accepted":
        return _accept(step, told, actor, now)
    if told.result == "completed":
        return _complete(step, told, actor, now)
    return _refuse(step, told, actor, now)


def _accept(step: EnrollmentStep, told: Told, actor: Actor, now: dt.datetime) -> bool:
    if step.status not in (*ON_THE_LIST, PartnerStepStatus.COMPLETED):
        raise _not_now(step, told)
    if not told.external_id:
        raise invalid_field("external_id", "required", "Give the id by which the partner knows the learner.")
    is_news = step.status == PartnerStepStatus.QUEUED
    record_acceptance(step_id=step.pk, external_enrollment_id=told.external_id, actor=actor, now=now)
    return is_news


def _complete(step: EnrollmentStep, told: Told, actor: Actor, now: dt.datetime) -> bool:
    if step.status not in (*ON_THE_LIST, PartnerStepStatus.COMPLETED):
        raise _not_now(step, told)
    if step.status == PartnerStepStatus.QUEUED:
        _accept(step, told, actor, now)
    is_news = step.status != PartnerStepStatus.COMPLETED
    mark_step_complete(
        step_id=step.pk,
        external_enrollment_id=told.external_id or None,
        evidence=told.evidence or BY_LIST,
        reason=told.reason or BY_LIST,
        actor=actor,
        now=now,
    )
    return is_news


def _refuse(step: EnrollmentStep, told: Told, actor: Actor, now: dt.datetime) -> bool:
    if step.status not in (PartnerStepStatus.QUEUED, PartnerStepStatus.FAILED):
        raise _not_now(step, told)
    if not told.reason:
        raise invalid_field("reason", "required", "Say why the partner does not take the learner.")
    is_news = step.status == PartnerStepStatus.QUEUED
    record_refusal(step_id=step.pk, reason=told.reason, actor=actor, now=now)
    return is_news


def _not_now(step: EnrollmentStep, told: Told) -> Invalid:
    detail = f"The step is {step.get_status_display().lower()}, so it can't be {told.result}. Clear this cell."
    return invalid_field("result", "not_now", detail)


def _field_of(refusal: DomainError) -> str:
    return "step" if isinstance(refusal, StepNotFound) else "external_id"


def _read(file: IO[bytes]) -> Iterator[Told]:
    """Yield the lines that contain a result."""
    rows = _rows(file)
    first, header = next(rows, (1, []))
    names = [cell.strip().lower() for cell in header]
    if missing := [name for name in NEEDED if name not in names]:
        raise UnreadableFile(first, f"Missing in the header: {', '.join(missing)}. Keep the header of the worklist.")
    for line, cells in rows:
        row = {name: cell.strip() for name, cell in zip(names, cells, strict=False)}
        if row.get("result"):
            yield Told(
                line,
                row.get("step", ""),
                row["result"].lower(),
                _as_written(row.get("external_id", "")),
                row.get("evidence", ""),
                row.get("reason", ""),
            )


def _rows(file: IO[bytes]) -> Iterator[tuple[int, list[str]]]:
    """Yield each row that is not empty, with the line where it ends. Many spreadsheets separate cells by semicolons."""
    lines = [line for _, line in read_lines(file, find_encoding(file))]
    separator = max(SEPARATORS, key=lines[0].count) if lines else SEPARATORS[0]
    rows = csv.reader(lines, delimiter=separator, strict=True)
    try:
        for cells in rows:
            if any(cell.strip() for cell in cells):
                yield rows.line_num, cells
    except csv.Error as error:
        raise UnreadableFile(rows.line_num, "Close each quote, and write a quote in a quoted cell twice.") from error


def _as_written(text: str) -> str:
    """Return the cell without the apostrophe that the worklist puts before what a spreadsheet would execute."""
    return text[1:] if text.startswith("'") and harmless(text[1:]) == text else text
