"""One batch of an import: new and enrolled people are processed in sets, others by the use case of a single request."""

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from django.db import transaction

from accounts.learners_together import find_or_create_learners, lock_learners
from accounts.models import Learner
from core.actors import Actor
from core.errors import DomainError, FieldError, Invalid, Unavailable
from core.rows import insert_many
from events.publishing import publish

from ..changes import change_enrollment
from ..details import SPELLING
from ..eligibility.batch import judge_many
from ..eligibility.record import follow_up
from ..eligibility.verdicts import CriteriaSet, Verdict, criteria_of
from ..emails import tell_families
from ..errors import AlreadyEnrolled
from ..events import EnrollmentStatusChanged
from ..history import Journal, write_new_together
from ..identification import ByInfo, ByLearner, create_enrollment
from ..lifecycle import apply_verdict, evaluate_enrollment
from ..models import Enrollment, ImportedRow, ImportJob, ProgramInstance
from ..states import EVALUATED, DuplicatePolicy, EligibilityStatus, IdentificationType, ImportStage
from .candidates import Candidate, read_candidate
from .known import follow_policy_together, leave
from .locks import lock_everybody
from .options import Options
from .outcome import (
    ENDING,
    IMPORTED,
    SKIPPED,
    UPDATED,
    Batch,
    fail,
    fold_repeated,
    keep,
    person_key,
    undoing,
    undone_if,
)
from .reading import Record


def import_batch(job: ImportJob, records: Sequence[Record], *, now: dt.datetime) -> Batch:
    """Carry out the records, or find out what that would do, inside the caller's transaction."""
    instance = ProgramInstance.objects.select_related("program", "workspace").get(imports=job)
    batch = Batch(job, instance, Options(**job.options), Actor.read(job.actor), now)
    with undone_if(job.stage == ImportStage.REHEARSAL):
        enroll_candidates(batch, list(_read(batch, records)))
    insert_many(fold_repeated(job, batch.kept))
    insert_many(batch.faults)
    return batch


def enroll_candidates(batch: Batch, candidates: Sequence[Candidate]) -> None:
    """Enroll the new people set by set, then the others one by one."""
    for candidate in _enroll_new(batch, candidates):
        _enroll_one(batch, candidate)


def _read(batch: Batch, records: Sequence[Record]) -> Iterator[Candidate]:
    for record in records:
        if record.fault is not None:
            fail(batch, record.line, [record.fault])
            continue
        try:
            yield read_candidate(record.line, record.document)
        except Invalid as refusal:
            fail(batch, record.line, refusal.errors)


# --- New people -------------------------------------------------------------------------------------------------------


def _enroll_new(batch: Batch, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Enroll those who need only a new enrollment, apply the policy to those already enrolled, and return the rest."""
    learners = _learners_of(batch, candidates)
    enrolled = _known_people(batch, learners)
    repeated = _repeated_people(batch, learners)
    new: dict[int, tuple[Candidate, Learner]] = {}
    known: dict[int, tuple[Candidate, Learner]] = {}
    others = []
    for candidate in candidates:
        learner = learners.get(candidate.line)
        if learner is not None and learner.pk in repeated:
            batch.repeated.add(candidate.line)
            others.append(candidate)
        elif learner is None or learner.pk in new or learner.pk in known:
            others.append(candidate)
        else:
            (known if learner.pk in enrolled else new)[learner.pk] = (candidate, learner)
    if new:
        _write_new(batch, list(new.values()))
    return follow_policy_together(batch, known) + others if known else others


def _learners_of(batch: Batch, candidates: Sequence[Candidate]) -> dict[int, Learner]:
    """Return the learner for each line that describes or names one: locked, or just created."""
    described: dict[str, Learner] = {}
    person_of: dict[int, str] = {}
    named: dict[int, str] = {}
    for candidate in candidates:
        whom = candidate.identification
        if isinstance(whom, ByLearner):
            named[candidate.line] = whom.customer_id
        elif isinstance(whom, ByInfo):
            details = candidate.details
            learner = Learner(
                workspace_id=batch.job.workspace_id,
                email=whom.email,
                first_name=whom.first_name,
                last_name=whom.last_name,
                phone=details.phone,
                address=details.address,
            )
            learner.derive_identity()
            person_of[candidate.line] = learner.person
            described.setdefault(learner.person, learner)
    workspace_id = batch.job.workspace_id
    named_by = [candidate.identification for candidate in candidates]
    lock_everybody(instance=batch.instance, named=named_by, persons=described.keys())
    by_cuid = lock_learners(workspace_id=workspace_id, cuids=list(named.values())) if named else {}
    found = find_or_create_learners(workspace_id=workspace_id, asked=list(described.values()))
    by_person = dict(zip(described, found, strict=True))
    batch.made |= {one.pk for one, asked in zip(found, described.values(), strict=True) if one is asked}
    return {line: by_person[person] for line, person in person_of.items()} | {
        line: by_cuid[cuid] for line, cuid in named.items() if cuid in by_cuid
    }


def _known_people(batch: Batch, learners: Mapping[int, Learner]) -> set[int]:
    """Return the learners who are enrolled in the instance."""
    keys = list({learner.pk for learner in learners.values()})
    current = Enrollment.objects.current().filter(instance=batch.instance, learner__id__among=keys)
    return {pk for pk in current.values_list("learner", flat=True) if pk is not None}


def _repeated_people(batch: Batch, learners: Mapping[int, Learner]) -> set[int]:
    """Return the learners whom an earlier batch of this rehearsal, which leaves no other trace, would enroll."""
    if batch.job.stage != ImportStage.REHEARSAL:
        return set()
    keys = {person_key(batch, learner): learner.pk for learner in learners.values()}
    seen = ImportedRow.objects.filter(job=batch.job, person__among=list(keys)).values_list("person", flat=True)
    return {keys[key] for key in seen}


def _write_new(batch: Batch, new: Sequence[tuple[Candidate, Learner]]) -> None:
    enrollments = []
    journals = []
    for candidate, learner in new:
        is_described = isinstance(candidate.identification, ByInfo)
        enrollment = Enrollment(
            workspace_id=batch.job.workspace_id,
            instance=batch.instance,
            learner=learner,
            identification_type=IdentificationType.CUSTOMER_INFO if is_described else IdentificationType.CUSTOMER_ID,
            end_date=batch.instance.end_date,
            created_at=batch.now,
        )
        # Families are notified below, together with all others of the batch.
        journal = Journal(enrollment, batch.actor, batch.now, is_answered=True)
        journal.set(**{name: getattr(candidate.details, name) for name in SPELLING})
        enrollments.append(enrollment)
        journals.append(journal)
    verdicts = _judge(batch, enrollments, journals)
    events = write_new_together(journals)
    publish(*events)
    if verdicts and batch.options.tell_families:
        changes = [event for event in events if isinstance(event, EnrollmentStatusChanged)]
        tell_families(changes, about=enrollments, behind=batch.job.done)
    follow_up(verdicts, workspace_id=batch.job.workspace_id, now=batch.now)
    for enrollment, (candidate, learner) in zip(enrollments, new, strict=True):
        made = f"learner:{learner.pk}" if learner.pk in batch.made else ""
        keep(batch, candidate, IMPORTED, enrollment, person=person_key(batch, learner), made=made)


def _judge(
    batch: Batch, enrollments: Sequence[Enrollment], journals: Sequence[Journal]
) -> list[tuple[Enrollment, Verdict]]:
    if not batch.options.evaluate:
        return []
    criteria: CriteriaSet = criteria_of(batch.instance)
    verdicts = judge_many(enrollments, criteria=criteria, now=batch.now)
    for journal, verdict in zip(journals, verdicts, strict=True):
        apply_verdict(journal=journal, verdict=verdict)
        batch.verdicts[verdict.outcome.value] += 1
    return list(zip(enrollments, verdicts, strict=True))


# --- Everybody else ---------------------------------------------------------------------------------------------------


def _enroll_one(batch: Batch, candidate: Candidate) -> None:
    """Process one line as a request would: a lead, a person who enrolls again, or somebody already enrolled."""
    if candidate.line in batch.repeated:
        _follow_policy(batch, candidate, _repeated())
        return
    with _refusals_kept(batch, candidate):
        try:
            with transaction.atomic():
                enrollment = create_enrollment(
                    workspace_id=batch.job.workspace_id,
                    instance_id=batch.instance.pk,
                    identification=candidate.identification,
                    details=candidate.details,
                    actor=batch.actor,
                    now=batch.now,
                )
                person = _person_of(batch, enrollment)
                if _is_rehearsed_before(batch, person):
                    raise _repeated()
                if batch.options.evaluate:
                    enrollment = _evaluate(batch, enrollment)
            keep(batch, candidate, IMPORTED, enrollment, person=person)
        except AlreadyEnrolled as refusal:
            _follow_policy(batch, candidate, refusal)


@contextmanager
def _refusals_kept(batch: Batch, candidate: Candidate) -> Iterator[None]:
    """Report what a use case refuses as a fault of the line; the database being busy fails the whole batch."""
    try:
        yield
    except Unavailable:
        raise
    except DomainError as refusal:
        fail(batch, candidate.line, refusal.errors or [FieldError("row", refusal.code, refusal.detail)])


def _repeated() -> AlreadyEnrolled:
    return AlreadyEnrolled("An earlier line is about the same person.")


def _person_of(batch: Batch, enrollment: Enrollment) -> str:
    """Like `_person_key`; leads exist before the rehearsal, so they keep their id."""
    learner = enrollment.learner
    return person_key(batch, learner) if learner is not None else f"lead:{enrollment.lead_id}:{enrollment.instance_id}"


def _is_rehearsed_before(batch: Batch, person: str) -> bool:
    """Return whether an earlier batch of the rehearsal would enroll the person; an enrollment of this batch exists."""
    is_rehearsal = batch.job.stage == ImportStage.REHEARSAL
    return is_rehearsal and ImportedRow.objects.filter(job=batch.job, person=person).exists()


def _follow_policy(batch: Batch, candidate: Candidate, refusal: AlreadyEnrolled) -> None:
    if batch.options.on_duplicate != DuplicatePolicy.UPDATE:
        leave(batch, candidate, refusal)
    elif refusal.enrollment_id is None:  # the existing enrollment is only rehearsed, so there is nothing to change yet
        batch.rows[UPDATED] += 1
    else:
        _update(batch, candidate, refusal.enrollment_id)


def _update(batch: Batch, candidate: Candidate, cuid: str) -> None:
    """Apply the line's changes, and evaluate the enrollment again if the criteria decide about it."""
    enrollment = Enrollment.objects.select_related("instance").get(cuid=cuid)
    told = {name: getattr(candidate.details, name) for name in candidate.told}
    before = {name: getattr(enrollment, name) for name in told}
    changed = change_enrollment(enrollment_id=enrollment.pk, changes=told, actor=batch.actor, now=batch.now)
    before = {name: undoing(value, getattr(changed, name)) for name, value in before.items()}
    before = {name: value for name, value in before.items() if value != getattr(changed, name)}
    status = changed.eligibility_status
    if not before:
        batch.rows[SKIPPED] += 1
        return
    if batch.options.evaluate and status in EVALUATED:
        changed = _evaluate(batch, changed)
        if changed.eligibility_status == EligibilityStatus.INELIGIBLE:
            batch.verdicts[ENDING] += 1
    keep(batch, candidate, UPDATED, changed, before={**before, "status": str(status)})


def _evaluate(batch: Batch, enrollment: Enrollment) -> Enrollment:
    evaluated = evaluate_enrollment(
        enrollment_id=enrollment.pk,
        actor=batch.actor,
        is_family_told=batch.options.tell_families,
        now=batch.now,
    )
    status = evaluated.eligibility_status
    batch.verdicts["undecided" if status == EligibilityStatus.CANDIDATE else str(status)] += 1
    return evaluated
