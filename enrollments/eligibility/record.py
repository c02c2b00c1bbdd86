"""Keeping a verdict with its enrollment, and asking staff where there is none."""

import datetime as dt
from collections.abc import Sequence

from accounts.staff_tasks import raise_staff_tasks, settle_staff_tasks
from core.text import fit

from ..history import Journal
from ..models import EligibilityVerdict, Enrollment
from ..task_kinds import NOT_EVALUATED
from .verdicts import NOTHING_TO_MEET, Verdict


def keep_verdict(journal: Journal, verdict: Verdict, *, reason: str = "") -> None:
    """Remember with the enrollment what was said, why and by which version of the criteria. `follow_up` comes after it.

    Only a decision counts as the last evaluation. An instance without criteria has said nothing that needs an
    explanation: no row is kept of it.
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
    """Ask staff to look at enrollments that could not be evaluated; what they were asked is settled by a decision."""
    settled = [_subject(enrollment) for enrollment, verdict in judged if verdict.is_decided]
    asked = {
        _subject(enrollment): f"Enrollment {enrollment.pk}: {verdict.reason}"
        for enrollment, verdict in judged
        if not verdict.is_decided
    }
    if settled:
        settle_staff_tasks(kind=NOT_EVALUATED, subjects=settled, resolution="It was evaluated.", now=now)
    if asked:
        raise_staff_tasks(workspace_id=workspace_id, kind=NOT_EVALUATED, summaries=asked)


def _subject(enrollment: Enrollment) -> str:
    return f"enrollment:{enrollment.pk}"
