"""Storing a verdict with its enrollment, and asking staff if there is none."""

import datetime as dt
from collections.abc import Sequence

from accounts.staff_tasks import raise_staff_tasks, settle_staff_tasks
from core.text import fit

from ..history import Journal
from ..models import EligibilityVerdict, Enrollment
from ..task_kinds import NOT_EVALUATED
from .verdicts import NOTHING_TO_MEET, Verdict


def keep_verdict(journal: Journal, verdict: Verdict, *, reason: str = "") -> None:
    """Store the verdict with the enrollment: outcome, reason, version of the criteria. Call `follow_up` afterwards.

    Only a decision counts as the last evaluation. An instance without criteria gives a verdict that needs no
    explanation, so no row is stored.
    """
    enrollment = journal.enrollment
    reason = reason or verdict.reason
    version = enrollment.instance.criteria_version
    journal.set(eligibility_reason=fit(Enrollment, "eligibility_reason", reason))
    if verdict.is_decided:
        journal.set(criteria_version=version)
    if verdict is not NOTHING_TO_MEET:
        journal.attach(
            EligibilityVerdict(
                criteria_version=version,
                outcome=verdict.outcome,
                reason=fit(EligibilityVerdict, "reason", reason),
                answers=list(verdict.answers),
                actor=str(journal.actor),
                created_at=journal.now,
            )
        )


def follow_up(judged: Sequence[tuple[Enrollment, Verdict]], *, workspace_id: int, now: dt.datetime) -> None:
    """Ask staff to look at enrollments that could not be evaluated; a decision settles the task."""
    settled = [_subject(enrollment) for enrollment, verdict in judged if verdict.is_decided]
    asked = {_subject(enrollment): verdict.reason for enrollment, verdict in judged if not verdict.is_decided}
    if settled:
        settle_staff_tasks(kind=NOT_EVALUATED, subjects=settled, resolution="It was evaluated.", now=now)
    if asked:
        raise_staff_tasks(workspace_id=workspace_id, kind=NOT_EVALUATED, summaries=asked)


def settle_deleted(enrollments: Sequence[Enrollment], *, now: dt.datetime) -> None:
    """Settle the tasks about enrollments that could not be evaluated before they were deleted."""
    subjects = [_subject(enrollment) for enrollment in enrollments]
    settle_staff_tasks(kind=NOT_EVALUATED, subjects=subjects, resolution="The enrollment was deleted.", now=now)


def _subject(enrollment: Enrollment) -> str:
    return f"enrollment:{enrollment.pk}"
