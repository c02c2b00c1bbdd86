"""The enrollments of a roster: students become candidates of the instance that their class matches, by the same use
case as the lines of any other import; students marked for deletion from a class leave the instance.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from django.db import transaction

from accounts.learner_records import register_learner
from accounts.learners_together import lock_learners
from accounts.models import Learner
from core.errors import DomainError, FieldError, Invalid
from core.local_time import local_date
from core.rows import lock_rows

from ...details import EnrollmentDetails
from ...exit import find_planned_exit, plan_exit
from ...identification import ByLearner
from ...lifecycle import lock_all_to_end
from ...models import Enrollment, ProgramInstance
from ...queries import current_enrollment
from ...reasons import LEFT_THE_CLASS
from ...states import EligibilityStatus
from ..batch import enroll_candidates
from ..candidates import Candidate
from ..outcome import ENDING, Batch
from ..reading import Record
from .classes import Instances
from .rows import RosterBatch

ENDED = "ended"
EXITS_PLANNED = "exits_planned"
STILL_ENROLLED = "still_enrolled"  # another class of the archive matches the same instance
ENDED_BEFORE = "ended_before"
NOT_MATCHED = "not_matched"  # no program instance matches the class


def enroll_students(batch: RosterBatch, records: Sequence[Record]) -> None:
    instances = Instances(batch.job.workspace_id, [record.document["class"] for record in records], batch.now)
    learners = _learners_of(batch, records)
    chosen: dict[int, list[Candidate]] = defaultdict(list)
    known: dict[int, ProgramInstance] = {}
    pairs: set[tuple[int, int]] = set()
    for record in records:
        instance = instances.find_open(record.document["class"])
        learner = learners.get(record.document["user"])
        if isinstance(instance, FieldError):
            batch.rows[NOT_MATCHED] += 1
        elif learner is None:
            remedy = "No student here has this sourcedId. Add them to users.csv with the role student."
            batch.fail(record, FieldError("userSourcedId", "unknown", remedy))
        else:
            known[instance.pk] = instance
            pairs.add((learner.pk, instance.pk))
            chosen[instance.pk].append(Candidate(record.line, ByLearner(learner.cuid), EnrollmentDetails(), ()))
    _lock_all(batch, learners)
    if len(chosen) > 1:  # those of each instance are locked on their own below
        lock_rows(Enrollment, *_enrollments_of(pairs))
    for pk, candidates in chosen.items():
        _enroll(batch, known[pk], candidates, records[0].file)


def _enroll(batch: RosterBatch, instance: ProgramInstance, candidates: Sequence[Candidate], file: str) -> None:
    work = Batch(batch.job, instance, batch.options, batch.actor, batch.now, file=file)
    enroll_candidates(work, candidates)
    batch.rows += work.rows
    batch.verdicts += work.verdicts
    batch.kept += work.kept
    batch.faults += work.faults


def _learners_of(batch: RosterBatch, records: Sequence[Record]) -> dict[str, Learner]:
    """Return the learner of each record by sourcedId. A rehearsal creates those whom the archive brings, because the
    batch that created them was rolled back.
    """
    learners = _known_learners(batch, records)
    if batch.is_rehearsal:
        for record in sorted(records, key=lambda record: str(record.document["user"])):
            user, known = (record.document[name] for name in ("user", "known"))
            if known and user not in learners and (made := _made_for_rehearsal(batch, known)):
                learners[user] = made
    return learners


def _made_for_rehearsal(batch: RosterBatch, known: dict[str, Any]) -> Learner | None:
    """Return None for a learner who would be refused, as their own row reported."""
    try:
        with transaction.atomic():
            return register_learner(workspace_id=batch.job.workspace_id, **known)
    except DomainError:
        return None


def end_enrollments(batch: RosterBatch, records: Sequence[Record]) -> None:
    named = [each for record in records for each in (record.document["class"], *record.document["others"])]
    instances = Instances(batch.job.workspace_id, named, batch.now)
    learners = _known_learners(batch, records)
    _lock_all(batch, learners)
    ending: list[tuple[Record, Learner, ProgramInstance]] = []
    for record in records:
        found = instances.find_any(record.document["class"])
        learner = learners.get(record.document["user"])
        if len(found) != 1:
            batch.rows[NOT_MATCHED] += 1
        elif learner is None:
            batch.rows[ENDED_BEFORE] += 1
        elif any(found == instances.find_any(other) for other in record.document["others"]):
            batch.rows[STILL_ENROLLED] += 1
        else:
            ending.append((record, learner, found[0]))
    if enrollments := _enrollments_of({(learner.pk, instance.pk) for _, learner, instance in ending}):
        lock_all_to_end(enrollments)
    for record, learner, instance in ending:
        batch.attempt(record, partial(_end, batch, record, learner, instance))


def _enrollments_of(pairs: set[tuple[int, int]]) -> list[int]:
    """Return the current enrollments of these learners, each in one instance."""
    current = Enrollment.objects.current().filter(learner__id__among=[learner for learner, _ in pairs])
    rows = current.values_list("pk", "learner_id", "instance_id")
    return [pk for pk, learner, instance in rows if (learner, instance) in pairs]


def _known_learners(batch: RosterBatch, records: Sequence[Record]) -> dict[str, Learner]:
    users = list({record.document["user"] for record in records})
    found = Learner.objects.filter(workspace=batch.job.workspace_id, external_id__among=users)
    return {str(learner.external_id): learner.merged_into or learner for learner in found.select_related("merged_into")}


def _lock_all(batch: RosterBatch, learners: Mapping[str, Learner]) -> None:
    """Lock all of them, in key order, before any enrollment is locked."""
    lock_learners(workspace_id=batch.job.workspace_id, cuids=[learner.cuid for learner in learners.values()])


def _end(batch: RosterBatch, record: Record, learner: Learner, instance: ProgramInstance) -> str:
    """End the enrollment on the day that the roster names if it is in the future, otherwise today."""
    enrollment = current_enrollment(learner_id=learner.pk, instance_id=instance.pk)
    if enrollment is None:
        return ENDED_BEFORE
    if enrollment.eligibility_status != EligibilityStatus.APPROVED:
        status = enrollment.get_eligibility_status_display().lower()
        remedy = f"The enrollment is {status}; one that is approved can end. Decide about it, or delete it."
        raise Invalid(errors=(FieldError("status", "not_approved", remedy),))
    day = record.document["end"]
    is_later = day > local_date(batch.now, instance.zone).isoformat()
    waiting = find_planned_exit(enrollment.pk)
    ended = plan_exit(
        enrollment_id=enrollment.pk,
        effective_date=dt.date.fromisoformat(day) if is_later else None,
        reason=LEFT_THE_CLASS,
        actor=batch.actor,
        now=batch.now,
    )
    plan = find_planned_exit(enrollment.pk) if is_later else None
    if plan is not None and plan == waiting:  # planned earlier, which undoing this import leaves alone
        return EXITS_PLANNED
    batch.verdicts[ENDING] += 1
    before: dict[str, Any] = {"status": EligibilityStatus.APPROVED.value}
    if plan is not None:
        before["exit"] = plan.pk
    batch.keep(record, "", before, enrollment=ended)
    return EXITS_PLANNED if is_later else ENDED
