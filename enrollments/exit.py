"""Leaving a program on a given day: immediately if it is today, otherwise by a plan that a sweep carries out once the
day has begun.

Days are in the workspace's time zone. The lock on the enrollment also guards its plan: planning, withdrawing, and
carrying out each hold it, and each change of the plan is one UPDATE on the condition that the plan still waits.
"""

import datetime as dt
from collections.abc import Collection
from typing import Any

import structlog
from django.db import transaction

from core import retries
from core.actors import Actor
from core.errors import NotFound, invalid_field
from core.local_time import check_date, has_come, local_date
from core.text import fit
from events.publishing import publish

from .errors import EnrollmentOver, ExitSettled
from .events import ExitPlanned, ExitWithdrawn
from .latest import not_allowed
from .lifecycle import check_open, lock_to_end, require_reason, unenroll_enrollment, with_metadata
from .locks import lock_enrollment
from .models import Enrollment, PlannedExit
from .states import EligibilityStatus, ExitStatus

log = structlog.get_logger(__name__)

# A lock timeout, or a lost database connection. It is retried for as long as it takes; the doctor reports it.
RETRY = retries.Retry(
    first_pause_seconds=60.0, longest_pause_seconds=3600.0, lease=dt.timedelta(minutes=5), attempts=1000
)


@transaction.atomic
def plan_exit(
    *,
    enrollment_id: int,
    effective_date: dt.date | None,
    actor: Actor,
    reason: str = "",
    note: str = "",
    metadata: dict[str, Any] | None = None,
    expected_status: str | None = None,
    now: dt.datetime,
) -> Enrollment:
    """End an approved enrollment on a day, the first one without the learner: immediately for today (or no day),
    otherwise when that day begins. A plan that already waits is replaced; an identical plan changes nothing.

    The family reads the `reason` and never the `note`. Raises Invalid for a past day, a missing reason, and metadata
    that can't be stored; EnrollmentOver for a later day if the enrollment is completed; StatusMoved, NotFound,
    TransitionNotAllowed.
    """
    reason = require_reason(reason)
    today = _today_of(enrollment_id, now)
    if effective_date is None or effective_date == today:
        return unenroll_enrollment(
            enrollment_id=enrollment_id,
            actor=actor,
            reason=reason,
            note=note,
            metadata=metadata,
            expected_status=expected_status,
            now=now,
        )
    check_date(effective_date, "effectiveDate")
    if effective_date < today:
        raise invalid_field("effectiveDate", "past", f"Give today, {today}, or a later day.")
    enrollment = lock_enrollment(enrollment_id)
    check_open(enrollment, expected_status, now)
    if enrollment.eligibility_status != EligibilityStatus.APPROVED:
        raise not_allowed(
            enrollment, before=enrollment.eligibility_status, target=EligibilityStatus.UNENROLLED, now=now
        )
    if not enrollment.is_current:
        raise EnrollmentOver("The learner has completed it, so there is nothing left that a later day could end.")
    with_metadata(enrollment, metadata or {})  # refuse today what could not be stored on the day itself
    plan = PlannedExit(
        enrollment=enrollment,
        effective_date=effective_date,
        reason=fit(PlannedExit, "reason", reason),
        note=fit(PlannedExit, "note", note.strip()),
        metadata=metadata or {},
        planned_by=str(actor),
        created_at=now,
        next_attempt_at=now,
    )
    waiting = find_planned_exit(enrollment_id)
    if waiting is not None:
        if _says_the_same(waiting, plan):
            return enrollment
        _settle(waiting, ExitStatus.REPLACED, actor, now)
    plan.save(force_insert=True)
    publish(ExitPlanned(**_facts(enrollment, plan, now)))
    return enrollment


@transaction.atomic
def withdraw_exit(*, planned_exit_id: int, actor: Actor, now: dt.datetime) -> Enrollment:
    """Withdraw a planned exit: the enrollment continues, and the family is told. Raises NotFound, ExitSettled."""
    plan = PlannedExit.objects.filter(pk=planned_exit_id).first()
    if plan is None:
        raise NotFound("There is no such planned exit.")
    enrollment = lock_enrollment(plan.enrollment_id)
    if not _settle(plan, ExitStatus.WITHDRAWN, actor, now):
        plan = PlannedExit.objects.get(pk=planned_exit_id)
        raise ExitSettled(f"The exit on {plan.effective_date} is {plan.get_status_display().lower()} already.")
    publish(ExitWithdrawn(**_facts(enrollment, plan, now)))
    return enrollment


def has_plan_to_replace(enrollment: Enrollment) -> bool:
    """Return whether a new plan would replace one that the family was told about."""
    return enrollment.planned_exits.filter(status__in=(ExitStatus.PLANNED, ExitStatus.REPLACED)).exists()


def carry_out_due_exits(*, limit: int = 100, now: dt.datetime) -> int:
    """End the enrollments whose day has begun in their workspace, each in its own transaction; returns how many plans
    were handled. A failed one is retried later and does not delay the others.
    """
    waiting = PlannedExit.objects.filter(status=ExitStatus.PLANNED)
    due = retries.due(waiting, now=now).filter(
        has_come(now=now, date="effective_date", zone="enrollment__workspace__timezone")
    )
    found = list(due.values_list("pk", "enrollment_id")[:limit])
    for plan_id, enrollment_id in found:
        try:
            _carry_out(plan_id, enrollment_id, now)
        except Exception as error:
            log.exception("exit_not_carried_out", planned_exit=plan_id)
            _record_failure(plan_id, error, now)
    return len(found)


def settle_overtaken_exits(*, enrollment_cuids: Collection[str], actor: Actor, now: dt.datetime) -> None:
    """Settle the plans of enrollments that have ended in another way. Part of the transaction that ended them."""
    waiting = PlannedExit.objects.filter(enrollment__cuid__among=enrollment_cuids, status=ExitStatus.PLANNED)
    waiting.update(status=ExitStatus.OVERTAKEN, settled_by=str(actor), settled_at=now)


def find_planned_exit(enrollment_id: int) -> PlannedExit | None:
    """Return the exit that waits for its day."""
    return PlannedExit.objects.filter(enrollment=enrollment_id, status=ExitStatus.PLANNED).first()


@transaction.atomic
def _carry_out(plan_id: int, enrollment_id: int, now: dt.datetime) -> None:
    lock_to_end(enrollment_id)
    plan = PlannedExit.objects.get(pk=plan_id)
    actor = Actor.read(plan.planned_by)
    if not _settle(plan, ExitStatus.CARRIED_OUT, actor, now):
        return  # withdrawn, replaced, or carried out since it was found
    unenroll_enrollment(
        enrollment_id=enrollment_id,
        actor=actor,
        reason=plan.reason,
        note=plan.note,
        metadata=plan.metadata,
        now=now,
    )


def _settle(plan: PlannedExit, status: ExitStatus, actor: Actor, now: dt.datetime) -> bool:
    """Change the status of a plan that waits; return False if it no longer waits."""
    waiting = PlannedExit.objects.filter(pk=plan.pk, status=ExitStatus.PLANNED)
    return waiting.update(status=status, settled_by=str(actor), settled_at=now) == 1


def _record_failure(plan_id: int, error: Exception, now: dt.datetime) -> None:
    waiting = PlannedExit.objects.filter(pk=plan_id, status=ExitStatus.PLANNED)
    attempts = waiting.values_list("attempts", flat=True).first()
    if attempts is not None:
        retries.record_failure(waiting, retry=RETRY, attempts=attempts + 1, error=type(error).__name__, now=now)


def _today_of(enrollment_id: int, now: dt.datetime) -> dt.date:
    zone = Enrollment.objects.values_list("workspace__timezone", flat=True).get(pk=enrollment_id)
    return local_date(now, zone)


def _says_the_same(one: PlannedExit, other: PlannedExit) -> bool:
    return all(getattr(one, name) == getattr(other, name) for name in ("effective_date", "reason", "note", "metadata"))


def _facts(enrollment: Enrollment, plan: PlannedExit, now: dt.datetime) -> dict[str, Any]:
    return {
        "workspace_id": enrollment.workspace_id,
        "occurred_at": now,
        "enrollment_cuid": enrollment.cuid,
        "program_instance_cuid": enrollment.instance.cuid,
        "effective_date": plan.effective_date,
        "planned_exit_id": plan.pk,
    }
