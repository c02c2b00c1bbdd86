"""The doctor on a schedule: it stores its findings, so that staff see since when a row is wrong, and if it still is."""

import datetime as dt
from collections.abc import Iterable

import structlog
from django.db import transaction
from django.db.models import F

from core.invariants import Breach, Extent
from core.rows import insert_unless_present
from core.text import fit

from .doctor import INVARIANTS, examine
from .models import Examination, Finding
from .states import ExaminationStatus

log = structlog.get_logger(__name__)

# Celery stops a task that takes longer (CELERY_TASK_TIME_LIMIT), so an older examination is no longer running.
GIVEN_UP_AFTER = dt.timedelta(minutes=15)
KEPT = dt.timedelta(days=90)
# A mistake in the code can break an invariant for every existing row. All are counted, and this many are stored.
KEPT_OF_ONE_INVARIANT = 1_000


def examine_all(*, now: dt.datetime) -> Examination | None:
    """Examine all workspaces and store the findings; return None while another examination runs."""
    stale = Examination.objects.filter(status=ExaminationStatus.RUNNING, began_at__lt=now - GIVEN_UP_AFTER)
    stale.update(status=ExaminationStatus.INTERRUPTED)
    examination = Examination(began_at=now)
    if not insert_unless_present(examination):
        return None
    breaches = examine(now=now)
    _record(examination, breaches, now)
    if breaches:
        log.error("invariants_broken", broken=examination.broken)
    return examination


def examine_again(*, finding: Finding, now: dt.datetime) -> bool:
    """Return whether the row still breaks its invariant. If it does not, the finding is closed."""
    invariant = INVARIANTS.get(finding.invariant)
    named = {} if invariant is None else _facts_by_row(invariant(Extent(now=now)))
    still = finding.row in named
    if not still:
        Finding.objects.open().filter(pk=finding.pk).update(gone_at=now)
    return still


@transaction.atomic
def forget_old_findings(*, limit: int, now: dt.datetime) -> int:
    """Delete up to `limit` findings that were closed 90 days ago, and examinations of that age; return how many."""
    gone = Finding.objects.filter(gone_at__lt=now - KEPT).order_by("pk").values_list("pk", flat=True)[:limit]
    deleted, _ = Finding.objects.filter(pk__in=list(gone)).delete()
    old = Examination.objects.filter(began_at__lt=now - KEPT).order_by("pk").values_list("pk", flat=True)[:limit]
    deleted += Examination.objects.filter(pk__in=list(old)).delete()[0]
    return deleted


@transaction.atomic
def _record(examination: Examination, breaches: dict[str, list[Breach]], now: dt.datetime) -> None:
    """Store the findings of an examination that has not been given up meanwhile."""
    examination.status = ExaminationStatus.COMPLETED
    examination.ended_at = now
    examination.checked = len(INVARIANTS)
    examination.broken = {name: len(found) for name, found in breaches.items()}
    running = Examination.objects.filter(pk=examination.pk, status=ExaminationStatus.RUNNING)
    ended = {name: getattr(examination, name) for name in ("status", "ended_at", "checked", "broken")}
    if not running.update(**ended):
        return
    facts = {name: _facts_by_row(found) for name, found in breaches.items()}
    known = {(finding.invariant, finding.row): finding for finding in Finding.objects.open()}
    seen = [finding.pk for (name, row), finding in known.items() if row in facts.get(name, {})]
    gone = [finding.pk for finding in known.values() if finding.pk not in set(seen)]
    Finding.objects.filter(pk__in=seen).update(seen_at=now, times_seen=F("times_seen") + 1)
    Finding.objects.filter(pk__in=gone).update(gone_at=now)
    Finding.objects.bulk_create(
        Finding(invariant=name, row=row, fact=fit(Finding, "fact", fact), found_at=now, seen_at=now)
        for name, rows in facts.items()
        for row, fact in list(rows.items())[:KEPT_OF_ONE_INVARIANT]
        if (name, row) not in known
    )


def _facts_by_row(breaches: Iterable[Breach]) -> dict[str, str]:
    """Return what is wrong with each row; a row may break an invariant in several ways."""
    facts: dict[str, list[str]] = {}
    for breach in breaches:
        facts.setdefault(breach.row, []).append(breach.fact)
    return {row: "; ".join(said) for row, said in facts.items()}
