"""Changing seats by hand: releasing them, passing them on to another learner, or moving them to another allocation."""

import datetime as dt
from collections.abc import Collection, Sequence
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet

from accounts.models import Learner
from core.actors import Actor
from core.errors import NotFound
from core.rows import lock_rows
from events.publishing import publish

from ..errors import NotForSale, SeatGone, SeatsExhausted, SeatsUnsuited
from ..lifecycle import reject_enrollment, unenroll_enrollment
from ..locks import lock_allocation, lock_enrollment, lock_enrollments, lock_learner_of
from ..models import DistrictSeatAllocation, Enrollment, EnrollmentDecision, SeatAssignment
from ..routing.decide import decide, seat_events
from ..routing.request import LearnerProfile, RoutingContext, RoutingRequest
from ..seats import release_seat, take_seat
from ..sellers import lock_holdings
from ..states import HELD_SEATS, LIVE_DECISIONS, EligibilityStatus, SeatStatus


def release_holder(*, seat_id: int, actor: Actor, reason: str, note: str = "", now: dt.datetime) -> Enrollment:
    """End the enrollment that holds a seat, which frees the seat: reject it if it waits for review, unenroll it if it
    was approved. The family reads the reason.

    Raises SeatGone if nobody holds the seat any more, and whatever ending an enrollment raises.
    """
    enrollment = _holder(seat_id)
    end = reject_enrollment if enrollment.eligibility_status == EligibilityStatus.SUBMITTED else unenroll_enrollment
    return end(
        enrollment_id=enrollment.pk,
        actor=actor,
        reason=reason,
        note=note,
        expected_status=enrollment.eligibility_status,
        now=now,
    )


@transaction.atomic
def reassign_seat(
    *,
    seat_id: int,
    learner_id: int,
    instance_cuid: str | None = None,
    actor: Actor,
    reason: str,
    note: str = "",
    now: dt.datetime,
) -> EnrollmentDecision:
    """End the enrollment that holds a seat, and enroll another learner of the workspace with that same seat, in the
    same program instance unless another is given: both, or neither. Nobody else can take the seat in between.

    Raises SeatGone, NotFound for a learner of another workspace, the router's refusal of the other learner, and
    SeatsUnsuited if the router would fund them differently.
    """
    enrollment = _holder(seat_id)
    seat = SeatAssignment.objects.select_related("allocation__district").get(pk=seat_id)
    learner = Learner.objects.live().filter(pk=learner_id, workspace=enrollment.workspace_id).first()
    if learner is None:
        raise NotFound("learner: there is no such learner in this workspace.")
    instance_cuid = instance_cuid or enrollment.instance.cuid
    theirs = Enrollment.objects.current().filter(learner=learner, instance__cuid=instance_cuid)
    lock_to_pass_on(
        enrollment,
        allocation_id=seat.allocation_id,
        learner_ids=[learner.pk],
        enrollment_ids=list(theirs.values_list("pk", flat=True)),
    )
    release_holder(seat_id=seat_id, actor=actor, reason=reason, note=note, now=now)
    return enroll_with_seat(
        allocation=seat.allocation,
        profile=profile_of(learner),
        instance_cuid=instance_cuid,
        actor=actor,
        now=now,
    )


def enroll_with_seat(
    *,
    allocation: DistrictSeatAllocation,
    profile: LearnerProfile,
    instance_cuid: str,
    actor: Actor,
    now: dt.datetime,
) -> EnrollmentDecision:
    """Route a learner like any other request, but with only one allocation's seats to choose from. Part of the caller's
    transaction, which rolls back when this raises: the router's refusal, or SeatsUnsuited if no seat was used.
    """
    others = DistrictSeatAllocation.objects.filter(district=allocation.district_id).exclude(pk=allocation.pk)
    context: dict[str, Any] = {
        "tenant_id": allocation.district.tenant_id,
        "program_instance_id": instance_cuid,
        "source": "back_office",
    }
    request = RoutingRequest(
        workspace_id=allocation.district.workspace_id,
        actor=actor,
        profile=profile,
        context=RoutingContext(
            tenant_id=allocation.district.tenant_id, program_instance=instance_cuid, received=context
        ),
        now=now,
    )
    try:
        routed = decide(request, set(others.values_list("pk", flat=True)))
    except (NotForSale, SeatsExhausted) as error:
        raise SeatsUnsuited("No seat of this allocation is free for them.") from error
    if routed.refusal is not None:
        raise routed.refusal
    if routed.decision.seat is None or routed.decision.seat.allocation_id != allocation.pk:
        raise SeatsUnsuited("They are already enrolled in another way, or no seat of this allocation is free.")
    return routed.decision


def profile_of(learner: Learner) -> LearnerProfile:
    """Describe a known learner the way a request does."""
    return LearnerProfile(
        email=learner.email,
        first_name=learner.first_name,
        last_name=learner.last_name,
        learner_id=learner.cuid,
        grade_level=learner.grade_level,
        school=learner.school,
        received={
            "learner_id": learner.cuid,
            "email": learner.email,
            "first_name": learner.first_name,
            "last_name": learner.last_name,
        },
    )


@transaction.atomic
def transfer_seat(*, seat_id: int, allocation_id: int, now: dt.datetime) -> SeatAssignment:
    """Give back a held seat and take one from another allocation of the same district for the same enrollment; its
    decision then refers to the new seat. Returns the new seat.

    Raises SeatGone, SeatsExhausted, and SeatsUnsuited for an allocation that can't fund this enrollment.
    """
    lock_rows(DistrictSeatAllocation, _holding(seat_id).allocation_id, allocation_id)
    enrollment = lock_enrollment(_holding(seat_id).enrollment_id)
    seat = _holding(seat_id)
    target = DistrictSeatAllocation.objects.select_related("district__workspace").get(pk=allocation_id)
    if unsuited := why_unsuited(seat, target, now):
        raise SeatsUnsuited(unsuited)
    facts: dict[str, Any] = {"workspace_id": enrollment.workspace_id, "enrollment_cuid": enrollment.cuid}
    status = SeatStatus(seat.status)
    released = release_seat(seat=seat, reason="Transferred to another allocation", now=now, **facts)
    take_seat(allocation_id=target.pk, as_status=status, now=now)
    taken = SeatAssignment.objects.create(
        allocation=target,
        learner_id=seat.learner_id,
        enrollment=enrollment,
        status=status,
        reserved_at=seat.reserved_at,
        used_at=seat.used_at,
    )
    EnrollmentDecision.objects.filter(seat=seat, status__in=LIVE_DECISIONS).update(seat=taken, updated_at=now)
    publish(*([released] if released else []), *seat_events(taken, enrollment, now))
    return taken


def why_unsuited(
    seat: SeatAssignment,
    target: DistrictSeatAllocation,
    now: dt.datetime,
    *,
    holders: Collection[int] | None = None,
    left: int | None = None,
) -> str:
    """Return why a held seat can't be moved to this allocation; empty if it can, provided a seat is free. A caller
    checking many passes which learners hold seats there by then, and how many are left.
    """
    if target.pk == seat.allocation_id:
        return "It already belongs to that allocation."
    if target.district_id != seat.allocation.district_id:
        return "Another district would have to pay."
    if target.instance_id not in (None, seat.enrollment.instance_id):
        return f"Those seats are for {target.instance}."
    if not target.is_open(now):
        return "Those seats may not be taken today."
    if holders is None:
        holders = target.seats.filter(learner=seat.learner_id, status__in=HELD_SEATS).values_list("learner", flat=True)
    if seat.learner_id in holders:
        return "The learner holds a seat there already."
    return "" if (target.available_seats if left is None else left) else "All of those seats are taken."


def suited_allocations(seat: SeatAssignment) -> QuerySet[DistrictSeatAllocation]:
    """Return where a held seat may move if a seat is free: allocations of its district for its program, or for any."""
    same = DistrictSeatAllocation.objects.filter(district=seat.allocation.district_id, is_active=True)
    fitting = Q(instance__isnull=True) | Q(instance=seat.enrollment.instance_id)
    return same.filter(fitting).exclude(pk=seat.allocation_id).order_by("-valid_until", "id")


def _holding(seat_id: int) -> SeatAssignment:
    rows = SeatAssignment.objects.filter(pk=seat_id, status__in=HELD_SEATS)
    seat = rows.select_related("allocation", "enrollment").first()
    if seat is None:
        raise SeatGone("Nobody holds this seat anymore.")
    return seat


def _holder(seat_id: int) -> Enrollment:
    enrollment_id = _holding(seat_id).enrollment_id
    return Enrollment.objects.select_related("instance").get(pk=enrollment_id)


def lock_to_pass_on(
    enrollment: Enrollment, *, allocation_id: int, learner_ids: Sequence[int], enrollment_ids: Sequence[int]
) -> None:
    """Lock everything that changes when a seat passes from an enrollment to one of these learners, before any of it
    changes: learners, allocation, holdings, enrollments.
    """
    owners = {pk for pk in (enrollment.learner_id, *learner_ids) if pk is not None}
    lock_rows(Learner, *owners)
    lock_learner_of(enrollment.pk)
    lock_allocation(allocation_id)
    lock_holdings(enrollment.pk)
    lock_enrollments([enrollment.pk, *enrollment_ids])
