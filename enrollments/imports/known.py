"""People in a batch who are already enrolled, set by set: skipped, reported, or changed and evaluated again, as the
policy for duplicates says. The writes are the same as those of `change_enrollment` and `evaluate_enrollment`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from accounts.models import Learner
from core.errors import FieldError, Invalid
from events.publishing import publish

from ..changes import merged
from ..details import check_details
from ..eligibility.batch import judge_many
from ..eligibility.record import follow_up
from ..eligibility.verdicts import Verdict, criteria_of
from ..emails import tell_families
from ..errors import AlreadyEnrolled
from ..events import EnrollmentStatusChanged
from ..history import Journal, write_together
from ..identification import already_enrolled
from ..lifecycle import apply_verdict
from ..locks import lock_current
from ..models import Enrollment
from ..states import EVALUATED, DuplicatePolicy, EligibilityStatus
from .candidates import Candidate
from .outcome import ENDING, SKIPPED, UPDATED, Batch, fail, keep, undoing


@dataclass(slots=True)
class _Change:
    """The effect of a line on an enrollment. `before` holds the previous values of the details it changes."""

    candidate: Candidate
    journal: Journal
    before: dict[str, Any]
    status: str = field(init=False)

    def __post_init__(self) -> None:
        self.status = str(self.journal.enrollment.eligibility_status)


def follow_policy_together(batch: Batch, known: Mapping[int, tuple[Candidate, Learner]]) -> list[Candidate]:
    """Apply the policy to these learners' only lines; returns the lines of learners who are no longer enrolled."""
    enrollments = {enrollment.learner_id: enrollment for enrollment in lock_current(batch.instance, list(known))}
    changes = []
    for pk, (candidate, _) in known.items():
        enrollment = enrollments.get(pk)
        if enrollment is None:
            continue
        if batch.options.on_duplicate == DuplicatePolicy.UPDATE:
            try:
                changes.append(_change_of(batch, candidate, enrollment))
            except Invalid as refusal:  # with what is known already it comes to too much
                fail(batch, candidate.line, refusal.errors)
        else:
            leave(batch, candidate, already_enrolled(enrollment, batch.instance))
    _write(batch, [change for change in changes if change.before])
    batch.rows[SKIPPED] += sum(not change.before for change in changes)
    return [candidate for pk, (candidate, _) in known.items() if pk not in enrollments]


def leave(batch: Batch, candidate: Candidate, refusal: AlreadyEnrolled) -> None:
    """Leave an enrolled person unchanged: skip the line, or report it as a fault."""
    if batch.options.on_duplicate == DuplicatePolicy.FAIL:
        remedy = f"{refusal.detail} Take the line out, or have duplicates skipped or updated."
        fail(batch, candidate.line, [FieldError("row", refusal.code, remedy)])
    else:
        batch.rows[SKIPPED] += 1


def _change_of(batch: Batch, candidate: Candidate, enrollment: Enrollment) -> _Change:
    told = {name: getattr(candidate.details, name) for name in candidate.told}
    before = {name: getattr(enrollment, name) for name in told}
    if "metadata" in told:
        told["metadata"] = merged(enrollment.metadata, told["metadata"])
    # Families are notified below, together with all others of the batch.
    journal = Journal(enrollment, batch.actor, batch.now, is_answered=True)
    journal.set(**check_details(told))
    before = {name: undoing(value, getattr(enrollment, name)) for name, value in before.items()}
    return _Change(
        candidate,
        journal,
        {name: value for name, value in before.items() if value != getattr(enrollment, name)},
    )


def _write(batch: Batch, changes: Sequence[_Change]) -> None:
    if not changes:
        return
    verdicts = _judge(batch, [change for change in changes if change.status in EVALUATED])
    events = write_together([change.journal for change in changes], now=batch.now)
    publish(*events)
    if verdicts and batch.options.tell_families:
        moved = [event for event in events if isinstance(event, EnrollmentStatusChanged)]
        tell_families(moved, about=[enrollment for enrollment, _ in verdicts], behind=batch.job.done)
    follow_up(verdicts, workspace_id=batch.job.workspace_id, now=batch.now)
    for change in changes:
        before = {**change.before, "status": change.status}
        keep(batch, change.candidate, UPDATED, change.journal.enrollment, before=before)


def _judge(batch: Batch, changes: Sequence[_Change]) -> list[tuple[Enrollment, Verdict]]:
    if not batch.options.evaluate:
        return []
    enrollments = [change.journal.enrollment for change in changes]
    verdicts = judge_many(enrollments, criteria=criteria_of(batch.instance), now=batch.now)
    for change, verdict in zip(changes, verdicts, strict=True):
        apply_verdict(journal=change.journal, verdict=verdict)
        status = change.journal.enrollment.eligibility_status
        batch.verdicts["undecided" if status == EligibilityStatus.CANDIDATE else str(status)] += 1
        batch.verdicts[ENDING] += status == EligibilityStatus.INELIGIBLE
    return list(zip(enrollments, verdicts, strict=True))
