"""The sweep that follows the retention settings: it removes expired data the way an erasure does.

It handles a bounded number of rows per run; the workspace that was checked longest ago comes first. A row is checked
again under its lock, since somebody may have come back meanwhile. See
docs/decisions/0152-what-is-kept-for-some-time.md.
"""

import datetime as dt
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import structlog
from django.db import transaction
from django.db.models import F, QuerySet

from accounts.models import Consent, Lead, Learner, StaffTask
from core.actors import SYSTEM
from core.errors import DomainError, require
from core.local_time import local_date
from core.personal import Person
from enrollments.models import Application, Enrollment
from enrollments.personal import end_what_waits
from notifications.models import Notification

from .erasing import erase_learner, erase_part
from .locks import lock_person
from .models import Forgotten, Retention
from .overdue import find_overdue
from .person import find_person, part_of
from .registry import entry_of
from .states import ErasureReason, RetentionKind

log = structlog.get_logger(__name__)

BATCH = 500
_ROWS = {
    RetentionKind.MAILS: entry_of(Notification),
    RetentionKind.CONSENTS: entry_of(Consent),
    RetentionKind.TASKS: entry_of(StaffTask),
}


def count_overdue(retention: Retention, *, now: dt.datetime) -> dict[RetentionKind, int]:
    """Return how many rows of each kind with a retention time have expired."""
    return {kind: _overdue(retention, kind, now).count() for kind in retention.days}


def forget_overdue(
    *, at_most: int, one_by_one: int | None = None, workspace_id: int | None = None, now: dt.datetime
) -> Counter[RetentionKind]:
    """Sweep: remove expired data, in all workspaces or in one; return how many rows of each kind. Kinds that take some
    fifty statements per row are limited to `one_by_one` rows."""
    gone: Counter[RetentionKind] = Counter()
    in_force = Retention.objects.in_force(now=now).select_related("workspace")
    settings = in_force if workspace_id is None else in_force.filter(workspace=workspace_id)
    for retention in settings.order_by(F("swept_at").asc(nulls_first=True), "pk"):
        # first: a failure here holds up no other workspace
        Retention.objects.filter(pk=retention.pk).update(swept_at=now)
        for kind in sorted(retention.days, key=_FORGET.__contains__):  # kinds that one statement removes come first
            while left := min(BATCH, at_most - gone.total(), _left_of(one_by_one, kind, gone)):
                batch = _forget_batch(retention, kind, limit=left, now=now)
                gone[kind] += batch
                if batch < left:
                    break
        if not min(at_most - gone.total(), *(_left_of(one_by_one, kind, gone) for kind in _FORGET)):
            break
    if gone:
        log.info("retention_followed", **{kind.value: rows for kind, rows in gone.items() if rows})
    return gone


def _left_of(one_by_one: int | None, kind: RetentionKind, gone: Counter[RetentionKind]) -> int:
    if one_by_one is None or kind not in _FORGET:
        return BATCH
    return one_by_one - sum(gone[each] for each in _FORGET)


def _overdue(retention: Retention, kind: RetentionKind, now: dt.datetime) -> QuerySet[Any]:
    before = now - dt.timedelta(days=retention.days[kind])
    return find_overdue(kind, workspaces=[retention.workspace_id], before=before)


def _forget_batch(retention: Retention, kind: RetentionKind, *, limit: int, now: dt.datetime) -> int:
    overdue = _overdue(retention, kind, now)
    if kind in _ROWS:
        return _forget_rows(retention, kind, overdue, limit=limit, now=now)
    # In random order: otherwise rows that an erasure keeps refusing would block the others.
    keys = list(overdue.order_by("?").values_list("pk", flat=True)[:limit])
    return sum(_forget_one(retention, kind, overdue.filter(pk=key), now) for key in keys)


@transaction.atomic
def _forget_rows(
    retention: Retention, kind: RetentionKind, overdue: QuerySet[Any], *, limit: int, now: dt.datetime
) -> int:
    """Remove them with one statement. Rows that somebody else has locked wait for the next run."""
    locked = overdue.select_for_update(skip_locked=True, of=("self",)).order_by("pk")
    found = list(locked.values_list("pk", flat=True)[:limit])
    rows = _ROWS[kind].empty(overdue.model._default_manager.filter(pk__in=found)) if found else 0
    _tally(retention, kind, rows, now)
    return rows


def _forget_one(retention: Retention, kind: RetentionKind, overdue: QuerySet[Any], now: dt.datetime) -> bool:
    """Return whether the row was removed. A row that is needed now stays, and so does one whose erasure is refused."""
    try:
        with transaction.atomic():
            row = overdue.first()
            done = row is not None and _FORGET[kind](row, overdue, now)
            _tally(retention, kind, int(done), now)
    except DomainError as refusal:
        log.info("retention_put_off", kind=kind.value, workspace=retention.workspace_id, code=refusal.code)
        return False
    return done


def _forget_candidate(learner: Learner, overdue: QuerySet[Learner], now: dt.datetime) -> bool:
    lock_person(partial(find_person, workspace_id=learner.workspace_id, learner_cuid=learner.cuid, now=now))
    if not overdue.exists():
        return False
    erase_learner(
        workspace_id=learner.workspace_id,
        learner_cuid=learner.cuid,
        reason=ErasureReason.OUTDATED,
        actor=SYSTEM,
        now=now,
        spare_what_passes=True,
    )
    return True


def _forget_application(application: Application, overdue: QuerySet[Application], now: dt.datetime) -> bool:
    """Empty the enrollment that came of the application too: it holds the form's content."""
    enrollment_id = require(application.enrollment_id, "a confirmed application has its enrollment")
    part = lock_person(partial(part_of, workspace_id=application.workspace_id, enrollments=(enrollment_id,), now=now))
    if not overdue.exists():
        return False
    erase_part(part)
    return True


def _forget_prospect(lead: Lead, overdue: QuerySet[Lead], now: dt.datetime) -> bool:
    def find() -> Person:
        enrollments = tuple(Enrollment.objects.filter(lead=lead).order_by("pk").values_list("pk", flat=True))
        return part_of(workspace_id=lead.workspace_id, enrollments=enrollments, leads=(lead.pk,), now=now)

    part = lock_person(find)
    if not overdue.exists():
        return False
    end_what_waits(part, actor=SYSTEM)
    erase_part(part)
    return True


def _tally(retention: Retention, kind: RetentionKind, rows: int, now: dt.datetime) -> None:
    if not rows:
        return
    day = {
        "workspace_id": retention.workspace_id,
        "kind": kind,
        "date": local_date(now, retention.workspace.timezone),
    }
    counted, is_new = Forgotten.objects.get_or_create(**day, defaults={"rows": rows})
    if not is_new:
        Forgotten.objects.filter(pk=counted.pk).update(rows=F("rows") + rows)


_FORGET: Mapping[RetentionKind, Callable[..., bool]] = {
    RetentionKind.APPLICATIONS: _forget_application,
    RetentionKind.CANDIDATES: _forget_candidate,
    RetentionKind.PROSPECTS: _forget_prospect,
}
