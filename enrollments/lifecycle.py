"""The lifecycle of an enrollment: one use case per transition, each one transaction.

Lock, check, change, record, publish. What the change frees (a seat, an open checkout) is handled in the same
transaction, or recorded there and handled right afterwards if a vendor must be called.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.db import IntegrityError, transaction

from accounts.leads import lock_lead, missing_of
from accounts.learners import find_or_create_learner
from accounts.models import Lead
from core.actors import Actor
from core.database_errors import violates
from core.errors import FieldError, Invalid, invalid_field, require
from core.local_time import local_date
from core.text import fit
from events.event import DomainEvent
from events.publishing import publish

from .admission import refuse_second, take_place
from .details import check_details
from .eligibility import Verdict, assess
from .eligibility.facts import Facts
from .eligibility.record import follow_up, keep_verdict
from .errors import AlreadyEnrolled, CriteriaUnchanged, EnrollmentOver, StatusMoved
from .funding import end_funding
from .history import Journal, write_together
from .latest import tell_latest_change
from .locks import (
    find_allocations_of,
    lock_allocation_of,
    lock_allocations_of,
    lock_allocations_out_of_order,
    lock_enrollment,
    lock_enrollment_behind,
    lock_enrollment_with_seat,
    lock_enrollments,
    lock_learner_of,
    refuse_deleted,
)
from .models import Enrollment, SeatAssignment
from .queries import current_enrollment
from .renewal import must_be_renewed
from .seats import use_seat
from .sellers import lock_holdings
from .states import (
    ENDED_PARTICIPATION,
    EVALUATED,
    REFUSED,
    EligibilityStatus,
    ParticipationStatus,
    ReviewMode,
    VerdictOutcome,
)


@transaction.atomic
def evaluate_enrollment(
    *,
    enrollment_id: int,
    actor: Actor,
    reason: str = "",
    note: str = "",
    metadata: dict[str, Any] | None = None,
    expected_status: str | None = None,
    is_eligible: bool | None = None,
    is_family_told: bool = True,
    now: dt.datetime,
) -> Enrollment:
    """Decide whether a candidate is eligible, by the instance's rules or by a person's decision, `is_eligible`.

    A decision against the candidate needs a `reason`, which the family reads; one in favor needs a `note` for
    colleagues. An eligible enrollment may become ineligible again. If the rules can't be evaluated, the enrollment
    stays as it is and staff get a task. The family is mailed the outcome unless `is_family_told` is off. Raises
    StatusMoved, TransitionNotAllowed, Invalid.
    """
    enrollment = lock_enrollment(enrollment_id)
    journal = _begin(enrollment, actor, note, metadata, expected_status, now)
    journal.is_answered = not is_family_told
    if is_eligible is None:
        verdict = assess(instance=enrollment.instance, facts=Facts(enrollment, now=now))
    else:
        reason = reason if is_eligible and note.strip() else require_reason(reason)
        verdict = Verdict(VerdictOutcome.ELIGIBLE if is_eligible else VerdictOutcome.INELIGIBLE, reason)
    apply_verdict(journal=journal, verdict=verdict, reason=reason)
    publish(*journal.write())
    follow_up([(enrollment, verdict)], workspace_id=enrollment.workspace_id, now=now)
    return enrollment


@transaction.atomic
def submit_enrollment(
    *,
    enrollment_id: int,
    actor: Actor,
    reason: str = "",
    note: str = "",
    metadata: dict[str, Any] | None = None,
    expected_status: str | None = None,
    now: dt.datetime,
) -> Enrollment:
    """Submit for review; if review is automatic and nothing is left to pay, the enrollment is approved.

    Raises StatusMoved, TransitionNotAllowed.
    """
    enrollment, seat = lock_enrollment_with_seat(enrollment_id)
    journal = _begin(enrollment, actor, note, metadata, expected_status, now)
    journal.change("submit", reason=reason)
    take_place(enrollment)
    events = approve_if_automatic(journal=journal, seat=seat)
    publish(*journal.write(), *events)
    return enrollment


@transaction.atomic
def approve_enrollment(
    *,
    enrollment_id: int,
    actor: Actor,
    reason: str = "",
    note: str = "",
    metadata: dict[str, Any] | None = None,
    expected_status: str | None = None,
    now: dt.datetime,
) -> Enrollment:
    """Approve a submitted enrollment: participation starts, a reserved seat is used, a lead becomes a learner.

    Raises StatusMoved, TransitionNotAllowed, and AlreadyEnrolled if the lead turns out to be a learner who has one.
    """
    enrollment, seat = lock_enrollment_with_seat(enrollment_id)
    journal = _begin(enrollment, actor, note, metadata, expected_status, now)
    events = approve(journal=journal, seat=seat, reason=reason)
    publish(*journal.write(), *events)
    return enrollment


@transaction.atomic
def reject_enrollment(
    *,
    enrollment_id: int,
    actor: Actor,
    reason: str = "",
    note: str = "",
    metadata: dict[str, Any] | None = None,
    expected_status: str | None = None,
    now: dt.datetime,
) -> Enrollment:
    """Reject a submitted enrollment: its seat is freed, an open checkout ends, and money that was paid is refunded in
    full. The family reads the `reason`, and never the `note`.

    Raises StatusMoved, TransitionNotAllowed, and Invalid without a reason.
    """
    reason = require_reason(reason)
    enrollment, seat = lock_to_end(enrollment_id)
    journal = _begin(enrollment, actor, note, metadata, expected_status, now)
    publish(*end_submission(journal=journal, seat=seat, reason=reason))
    return enrollment


@transaction.atomic
def unenroll_enrollment(
    *,
    enrollment_id: int,
    actor: Actor,
    reason: str = "",
    note: str = "",
    metadata: dict[str, Any] | None = None,
    expected_status: str | None = None,
    now: dt.datetime,
) -> Enrollment:
    """End an approved enrollment: its seat or place is freed, the course it bought is revoked, and an open checkout
    ends. The exit reason (which the family reads), the note (which it never does), and the metadata are stored.

    Money is not refunded automatically: staff get a task to decide about it. Raises StatusMoved, TransitionNotAllowed,
    and Invalid without a reason.
    """
    reason = require_reason(reason)
    enrollment, seat = lock_to_end(enrollment_id)
    journal = _begin(enrollment, actor, note, metadata, expected_status, now)
    events = end_enrollment(journal=journal, seat=seat, reason=reason)
    publish(*events)
    return enrollment


@transaction.atomic
def reconsider_enrollment(
    *,
    enrollment_id: int,
    actor: Actor,
    reason: str = "",
    note: str = "",
    metadata: dict[str, Any] | None = None,
    expected_status: str | None = None,
    now: dt.datetime,
) -> Enrollment:
    """Make an ineligible or rejected enrollment a candidate again, if the criteria have changed since it was evaluated.

    Raises CriteriaUnchanged if they have not, EnrollmentOver if a new one has replaced it or its money is being
    refunded, StatusMoved, TransitionNotAllowed.
    """
    enrollment = lock_enrollment(enrollment_id)
    journal = _begin(enrollment, actor, note, metadata, expected_status, now)
    is_over = must_be_renewed(enrollment) or not enrollment.is_current
    journal.change("reconsider", reason=reason)
    if is_over:
        raise EnrollmentOver("It stays as the record of what was refused. Enroll the same person again instead.")
    if enrollment.instance.criteria_version <= enrollment.criteria_version:
        raise CriteriaUnchanged("Change the program instance's criteria first; then refused learners can try again.")
    publish(*journal.write())
    return enrollment


def finish_participation(*, enrollment_id: int, actor: Actor, reason: str, now: dt.datetime) -> Enrollment:
    """Complete an active participation; one that is not active stays as it is."""
    (enrollment,) = finish_participations(enrollment_ids=[enrollment_id], actor=actor, reason=reason, now=now)
    return enrollment


@transaction.atomic
def finish_participations(
    *, enrollment_ids: Sequence[int], actor: Actor, reason: str, now: dt.datetime
) -> list[Enrollment]:
    """Complete many participations likewise, in few statements; returns the enrollments in the order of their ids."""
    enrollments = lock_enrollments(enrollment_ids)
    active = [each for each in enrollments if each.participation_status == ParticipationStatus.ACTIVE]
    journals = [Journal(enrollment, actor, now) for enrollment in active]
    for journal in journals:
        journal.change("finish", reason=reason)
    publish(*write_together(journals, now=now))
    return enrollments


@transaction.atomic
def resume_participation(*, enrollment_id: int, actor: Actor, reason: str, now: dt.datetime) -> Enrollment:
    """Make a completed participation active again, because what completed it was taken back; an active one stays as it
    is. Capacity is not checked again: the enrollment already had its place.

    Raises TransitionNotAllowed for any other, and AlreadyEnrolled if the learner has another enrollment by now.
    """
    enrollment = lock_enrollment(enrollment_id)
    if enrollment.participation_status == ParticipationStatus.ACTIVE:
        return enrollment
    refuse_second(enrollment)
    journal = Journal(enrollment, actor, now)
    journal.change("resume", reason=reason)
    try:
        with transaction.atomic():
            events = journal.write()
    except IntegrityError as error:  # another one was created at the same moment
        if not violates(error, "enrollment_one_current"):
            raise
        raise AlreadyEnrolled("The learner is enrolled again by now: change that enrollment.") from error
    publish(*events)
    return enrollment


# --- Steps shared with routing and with the reactions to money --------------------------------------------------------


def apply_verdict(*, journal: Journal, verdict: Verdict, reason: str = "") -> None:
    """Move a candidate, or an eligible enrollment, to the state that the verdict calls for, and store the verdict. An
    undecided verdict changes no state. Call `follow_up` afterwards. Raises TransitionNotAllowed from any other state.
    """
    enrollment = journal.enrollment
    status = enrollment.eligibility_status
    stays = status == EligibilityStatus.ELIGIBLE and verdict.outcome != VerdictOutcome.INELIGIBLE
    if not (stays or (status == EligibilityStatus.CANDIDATE and not verdict.is_decided)):
        journal.change("mark_eligible" if verdict.is_eligible else "mark_ineligible", reason=reason or verdict.reason)
    keep_verdict(journal, verdict, reason=reason)


def evaluate_and_submit(*, journal: Journal, facts: Facts) -> Verdict:
    """Evaluate the instance's criteria and make the enrollment submitted or ineligible, as the verdict calls for. If
    they can't be evaluated, it stays as it is.

    An enrollment that was refused before is evaluated again only if the criteria have changed since.
    """
    enrollment = journal.enrollment
    instance = journal.enrollment.instance
    status = enrollment.eligibility_status
    refused = status in REFUSED
    if refused and instance.criteria_version <= enrollment.criteria_version:
        rule = {"rule": "eligibility.refused_before", "status": status, "answer": False}
        return Verdict(VerdictOutcome.INELIGIBLE, enrollment.eligibility_reason, rule=rule)
    verdict = assess(instance=instance, facts=facts)
    if refused:
        journal.change("reconsider", reason="The criteria changed")
    if enrollment.eligibility_status in EVALUATED:
        is_known = enrollment.pk is not None
        apply_verdict(journal=journal, verdict=verdict)
        if is_known or not verdict.is_decided:
            journal.afterwards(
                lambda: follow_up([(enrollment, verdict)], workspace_id=enrollment.workspace_id, now=journal.now)
            )
        if verdict.is_eligible:
            journal.change("submit", reason=verdict.reason)
            take_place(enrollment)
    return verdict


def approve(*, journal: Journal, seat: SeatAssignment | None, reason: str) -> list[DomainEvent]:
    """Approve and start a submitted enrollment, using its seat; returns events to publish after the journal's own."""
    enrollment = journal.enrollment
    journal.change("approve", reason=reason)
    journal.change("start")
    journal.set(start_date=enrollment.start_date or local_date(journal.now, enrollment.instance.zone))
    if enrollment.learner_id is None:
        _convert_lead(journal)
    if seat is None:
        return []
    used = use_seat(seat=seat, workspace_id=enrollment.workspace_id, enrollment_cuid=enrollment.cuid, now=journal.now)
    return [used] if used else []


def approve_if_automatic(*, journal: Journal, seat: SeatAssignment | None) -> list[DomainEvent]:
    """Approve a submitted, funded enrollment whose instance reviews automatically; returns events to publish after the
    journal's own. Does nothing otherwise."""
    enrollment = journal.enrollment
    if (
        enrollment.instance.review_mode == ReviewMode.AUTOMATIC
        and enrollment.eligibility_status == EligibilityStatus.SUBMITTED
        and enrollment.is_funded
    ):
        return approve(journal=journal, seat=seat, reason="Automatic review")
    return []


def end_submission(*, journal: Journal, seat: SeatAssignment | None, reason: str) -> list[DomainEvent]:
    """Reject, write the journal, and give back what the enrollment held, money included; returns events to publish."""
    journal.change("reject", reason=reason)
    _explain(journal, reason)
    return [*journal.write(), *end_funding(journal, seat, reason, is_refunded=True)]


def end_enrollment(*, journal: Journal, seat: SeatAssignment | None, reason: str) -> list[DomainEvent]:
    """Unenroll and withdraw, write the journal, and give back what the enrollment held; returns events to publish."""
    journal.change("unenroll", reason=reason)
    _explain(journal, reason)
    if journal.enrollment.participation_status not in ENDED_PARTICIPATION:
        journal.change("withdraw", reason=reason)
    return [*journal.write(), *end_funding(journal, seat, reason, is_refunded=False)]


def lock_to_end(enrollment_id: int) -> tuple[Enrollment, SeatAssignment | None]:
    """Lock an enrollment that is about to end, after everything that ends with it."""
    lock_learner_of(enrollment_id)  # what the apps above hold for it must not move in the meantime
    allocation_id = lock_allocation_of(enrollment_id)
    lock_holdings(enrollment_id)
    return lock_enrollment_behind(allocation_id, enrollment_id)


def lock_all_to_end(enrollment_ids: Sequence[int]) -> list[Enrollment]:
    """Lock several that end together, in the order of their ids, table by table to keep the lock order."""
    lock_learner_of(*enrollment_ids)
    allocations = lock_allocations_of(enrollment_ids)
    lock_holdings(*enrollment_ids)
    enrollments = lock_enrollments(enrollment_ids)
    lock_allocations_out_of_order(*(find_allocations_of(enrollment_ids) - allocations))
    return enrollments


def check_open(enrollment: Enrollment, expected_status: str | None, now: dt.datetime) -> None:
    """Raise NotFound if the (locked) enrollment was deleted, StatusMoved unless it is in the status the caller saw."""
    refuse_deleted(enrollment)
    if expected_status is not None and enrollment.eligibility_status != expected_status:
        raise StatusMoved(
            f"Expected {expected_status}, but the enrollment is {enrollment.eligibility_status}; read it again. "
            f"{tell_latest_change(enrollment, now)}".strip(),
            status_found=enrollment.eligibility_status,
        )


def with_metadata(enrollment: Enrollment, told: dict[str, Any]) -> dict[str, Any]:
    """Return the enrollment's metadata merged with the metadata of a change. Raises Invalid if it can't be stored."""
    merged: dict[str, Any] = check_details({"metadata": enrollment.metadata | told})["metadata"]
    return merged


def _explain(journal: Journal, reason: str) -> None:
    """Store the reason of the new status, replacing why the enrollment was eligible."""
    journal.set(eligibility_reason=fit(Enrollment, "eligibility_reason", reason))


def require_reason(reason: str) -> str:
    """Return the reason that the family reads. Raises Invalid without one."""
    if not reason.strip():
        raise invalid_field("reason", "required", "Say why.")
    return reason.strip()


def _begin(
    enrollment: Enrollment,
    actor: Actor,
    note: str,
    metadata: dict[str, Any] | None,
    expected_status: str | None,
    now: dt.datetime,
) -> Journal:
    check_open(enrollment, expected_status, now)
    journal = Journal(enrollment, actor, now, note.strip())
    if metadata:
        journal.set(metadata=with_metadata(enrollment, metadata))
    return journal


def _convert_lead(journal: Journal) -> None:
    """Make a learner of the lead, or find the one that the lead became or always was."""
    enrollment = journal.enrollment
    lead, learner = lock_lead(require(enrollment.lead_id, "an enrollment without a learner is about a lead"))
    if learner is None:
        _refuse_nameless(lead)
        learner, _ = find_or_create_learner(
            workspace_id=lead.workspace_id,
            learner_id=None,
            email=lead.email,
            first_name=lead.first_name,
            last_name=lead.last_name,
            phone=lead.phone,
            address=lead.address,
        )
        lead.converted_to = learner
        lead.save(update_fields=["converted_to"])
    try:
        with transaction.atomic():
            Enrollment.objects.filter(pk=enrollment.pk).update(learner=learner)
    except IntegrityError as error:
        if not violates(error, "enrollment_one_current"):
            raise
        current = current_enrollment(learner_id=learner.pk, instance_id=enrollment.instance_id)
        raise AlreadyEnrolled(
            "This lead is a learner who already has an enrollment in this program.",
            enrollment_id=current.cuid if current else None,
        ) from error
    enrollment.learner = learner


def _refuse_nameless(lead: Lead) -> None:
    """Refuse a lead without a name: nobody takes part unless it is known who they are."""
    missing = missing_of(lead)
    if missing:
        remedy = "It is unknown of this lead, and a learner needs it: change the lead first."
        faults = tuple(FieldError(name, "required", remedy) for name in missing)
        raise Invalid(f"{', '.join(missing)}: {remedy}", errors=faults)
