"""Keeping a verdict with its enrollment, and asking staff where there is none."""

import datetime as dt

from accounts.staff_tasks import raise_staff_task, settle_staff_task
from core.rows import insert_rows
from core.text import fit

from ..history import Journal
from ..models import EligibilityVerdict, Enrollment
from ..task_kinds import NOT_EVALUATED
from .verdicts import NOTHING_TO_MEET, Verdict


def keep_verdict(journal: Journal, verdict: Verdict, *, reason: str = "") -> None:
    """Remember with the enrollment what was said, why and by which version of the criteria.

    An instance without criteria has said nothing that needs an explanation: no row is kept of it.
    """
    enrollment = journal.enrollment
    is_new = enrollment.pk is None
    journal.set(**evaluated_fields(enrollment, verdict, reason or verdict.reason))
    if verdict is not NOTHING_TO_MEET:
        row = verdict_row(enrollment, verdict, reason or verdict.reason, actor=str(journal.actor), now=journal.now)
        journal.afterwards(lambda: _insert(row, enrollment))
    if not (is_new and verdict.is_decided):
        journal.afterwards(lambda: follow_up(enrollment, verdict, now=journal.now))


def evaluated_fields(enrollment: Enrollment, verdict: Verdict, reason: str) -> dict[str, object]:
    """What an evaluation changes of the enrollment's plain fields. Only a decision counts as the last evaluation."""
    version = enrollment.instance.criteria_version if verdict.is_decided else enrollment.criteria_version
    return {"eligibility_reason": fit(Enrollment, "eligibility_reason", reason), "criteria_version": version}


def verdict_row(
    enrollment: Enrollment, verdict: Verdict, reason: str, *, actor: str, now: dt.datetime
) -> EligibilityVerdict:
    """The row that keeps a verdict, not saved yet."""
    return EligibilityVerdict(
        enrollment=enrollment,
        criteria_version=enrollment.instance.criteria_version,
        outcome=verdict.outcome,
        reason=fit(EligibilityVerdict, "reason", reason),
        answers=list(verdict.answers),
        actor=actor,
        created_at=now,
    )


def follow_up(enrollment: Enrollment, verdict: Verdict, *, now: dt.datetime) -> None:
    """Ask staff to look at an enrollment that could not be evaluated; what they were asked is settled by a decision."""
    subject = f"enrollment:{enrollment.pk}"
    if verdict.is_decided:
        settle_staff_task(kind=NOT_EVALUATED, subject=subject, resolution="It was evaluated.", now=now)
        return
    raise_staff_task(
        workspace_id=enrollment.workspace_id,
        kind=NOT_EVALUATED,
        subject=subject,
        summary=f"Enrollment {enrollment.pk}: {verdict.reason}",
    )


def _insert(row: EligibilityVerdict, enrollment: Enrollment) -> None:
    row.enrollment = enrollment
    insert_rows([row])
