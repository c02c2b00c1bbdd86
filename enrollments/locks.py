"""Every row lock of this app, in the one order that all transactions keep.

application < idle seat < learner < allocation < enrollment < instance < decision < checkout < payment, within a table
by primary key. The upsert of `accounts.learners` locks learners; billing locks checkouts and payments.
"""

from collections.abc import Collection, Sequence

from django.db.models import QuerySet

from accounts.learners import lock_owner_of
from billing.purposes import key_of
from core.compiled import compiled
from core.errors import NotFound
from core.rows import lock_rows

from .models import DistrictSeatAllocation, Enrollment, EnrollmentDecision, IdleSeat, ProgramInstance, SeatAssignment
from .states import HELD_SEATS, EligibilityStatus


def lock_idle_seat(idle_seat_id: int) -> IdleSeat:
    """Lock the question about an idle seat, before everything that its answer may end."""
    rows = IdleSeat.objects.select_for_update(of=("self",), no_key=True)
    return rows.select_related("seat__allocation__district__workspace", "seat__enrollment__instance").get(
        pk=idle_seat_id
    )


def lock_allocation(allocation_id: int) -> DistrictSeatAllocation:
    return DistrictSeatAllocation.objects.select_for_update(no_key=True).get(pk=allocation_id)


def lock_allocation_of(enrollment_id: int) -> int | None:
    """Lock the allocation of the seat that the enrollment holds, if any; returns its id."""
    seat = held_seat(enrollment_id)
    if seat is not None:
        lock_allocation(seat.allocation_id)
    return seat.allocation_id if seat else None


def lock_allocations_of(enrollment_ids: Sequence[int]) -> set[int]:
    """Lock the allocations of the seats that these enrollments hold; returns their ids."""
    found = find_allocations_of(enrollment_ids)
    lock_rows(DistrictSeatAllocation, *found)
    return found


def find_allocations_of(enrollment_ids: Sequence[int]) -> set[int]:
    """Return the ids of the allocations of the seats that these enrollments hold."""
    held = SeatAssignment.objects.filter(enrollment__pk__among=enrollment_ids, status__in=HELD_SEATS)
    return set(held.values_list("allocation_id", flat=True))


def lock_learner_of(*enrollment_ids: int) -> None:
    """Lock the learners of enrollments, before everything else that is locked for them."""
    lock_owner_of(Enrollment.objects.filter(pk__in=enrollment_ids))


def lock_enrollment(enrollment_id: int) -> Enrollment:
    """Lock the enrollment alone, with its instance; for changes that can't affect a seat."""
    return (
        Enrollment.objects.select_for_update(of=("self",), no_key=True).select_related("instance").get(pk=enrollment_id)
    )


# Columns that no criterion reads, no verdict changes, and no mail address comes from. Reading columns is most of the
# cost of a candidate.
_NOT_EVALUATED = (
    *("identification_type", "reference_id", "reference_description", "previous", "start_date", "end_date"),
    *("updated_at", "deleted_at", "learner__cuid", "learner__workspace", "learner__identity", "learner__person"),
    *("learner__external_id", "learner__external_key", "learner__first_name", "learner__last_name"),
    *("learner__merged_into", "learner__created_at"),
)


def lock_candidates(enrollment_ids: Sequence[int]) -> list[Enrollment]:
    """Lock those of these enrollments that are candidates and not deleted, each with its learner and lead, in the order
    of their ids.

    They carry only what an evaluation reads: accessing another field costs a query.
    """
    rows = Enrollment.objects.kept().filter(pk__among=enrollment_ids, eligibility_status=EligibilityStatus.CANDIDATE)
    locked = rows.select_for_update(of=("self",), no_key=True).order_by("pk")
    return list(locked.select_related("learner", "lead").defer(*_NOT_EVALUATED))


def lock_current(instance: ProgramInstance, learner_ids: Sequence[int]) -> list[Enrollment]:
    """Lock these learners' current enrollments in the instance, with learner and lead, in the order of their ids."""
    rows = Enrollment.objects.current().filter(instance=instance, learner__id__among=learner_ids)
    locked = list(rows.select_for_update(of=("self",), no_key=True).select_related("learner", "lead").order_by("pk"))
    for enrollment in locked:
        enrollment.instance = instance
    return locked


def lock_enrollments(enrollment_ids: Sequence[int]) -> list[Enrollment]:
    """Lock these enrollments with their instance, in the order of their ids."""
    rows = Enrollment.objects.filter(pk__among=enrollment_ids)
    locked = rows.select_for_update(of=("self",), no_key=True).order_by("pk")
    return list(locked.select_related("instance"))


def lock_unlocked(enrollment_ids: Sequence[int]) -> list[int]:
    """Lock those of these enrollments that nobody else has locked, in the order of their ids, without waiting."""
    found = Enrollment.objects.filter(pk__among=enrollment_ids)
    locked = found.select_for_update(no_key=True, skip_locked=True).order_by("pk")
    return list(locked.values_list("pk", flat=True))


def lock_unless_lead_is_busy(enrollment_ids: Collection[int]) -> bool:
    """Lock these enrollments in the order of their ids, for a caller that has locked their learners.

    Those of leads are not waited for, because an approval locks one before the learner that the lead becomes. Return
    False if another transaction has locked one of them.
    """
    found = Enrollment.objects.filter(pk__among=list(enrollment_ids), learner__isnull=True)
    of_leads = set(found.values_list("pk", flat=True))
    lock_rows(Enrollment, *set(enrollment_ids) - of_leads)
    return len(lock_unlocked(list(of_leads))) == len(of_leads)


def lock_together(enrollment_ids: Sequence[int], *, wait: bool) -> list[Enrollment]:
    """Lock these enrollments in the order of their ids, with what identifies them and their states; accessing another
    field costs a query. Without `wait`, those that somebody else has locked are skipped.
    """
    rows = Enrollment.objects.filter(pk__among=enrollment_ids)
    locked = rows.select_for_update(of=("self",), no_key=True, skip_locked=not wait).order_by("pk")
    return list(locked.only("cuid", "workspace", "eligibility_status", "participation_status", "payment_status"))


def refuse_deleted(enrollment: Enrollment) -> None:
    """Raise NotFound for a (locked) enrollment that was deleted: nothing about it changes any more."""
    if enrollment.deleted_at is not None:
        raise NotFound("This enrollment was deleted.")


def refuse_erased(enrollment: Enrollment) -> None:
    """Raise NotFound for a (locked) enrollment of an erased learner: nothing is written about them any more."""
    if Enrollment.objects.filter(pk=enrollment.pk, learner__erased_at__isnull=False).exists():
        raise NotFound("The learner of this enrollment was erased.")


def lock_enrollment_with_seat(enrollment_id: int) -> tuple[Enrollment, SeatAssignment | None]:
    """Lock the enrollment and the seat it holds, the seat's allocation first.

    The seat is looked up before anything is locked and again afterwards, so a seat that is released, taken, or
    transferred in between is noticed.
    """
    return lock_enrollment_behind(lock_allocation_of(enrollment_id), enrollment_id)


def lock_enrollment_behind(allocation_id: int | None, enrollment_id: int) -> tuple[Enrollment, SeatAssignment | None]:
    """Lock the enrollment and the seat it holds, for a caller that has locked the seat's allocation."""
    enrollment = lock_enrollment(enrollment_id)
    seat = held_seat(enrollment_id)
    if seat is not None and seat.allocation_id != allocation_id:
        lock_allocations_out_of_order(seat.allocation_id)
    return enrollment, seat


def lock_allocations_out_of_order(*allocation_ids: int) -> None:
    """Lock allocations to which seats were transferred before the enrollment was locked. Waiting for one now could
    deadlock with a transaction that waits for the enrollment: raises OperationalError if one is not free, and the
    request is repeated.
    """
    rows = DistrictSeatAllocation.objects.filter(pk__in=allocation_ids).order_by("pk")
    list(rows.select_for_update(no_key=True, nowait=True).values_list("pk"))


def held_seat(enrollment_id: int) -> SeatAssignment | None:
    """Return the seat that a locked enrollment holds."""
    return _held_seat.first(enrollment_id)


@compiled
def _held_seat(enrollment_id: int) -> QuerySet[SeatAssignment]:
    return SeatAssignment.objects.filter(enrollment_id=enrollment_id, status__in=HELD_SEATS)


def lock_instance(instance_id: int) -> ProgramInstance:
    """Lock an instance with a capacity while its places are counted."""
    return ProgramInstance.objects.select_for_update(no_key=True).get(pk=instance_id)


def lock_decision(decision_id: int) -> EnrollmentDecision:
    return (
        EnrollmentDecision.objects.select_for_update(of=("self",), no_key=True)
        .select_related("guardian", "learner", "checkout")
        .get(pk=decision_id)
    )


def lock_decision_subject(subject: str) -> None:
    """Lock the enrollment, then the decision; billing calls this before it locks one of our checkouts."""
    decision_id = key_of(subject)
    enrollment_id = EnrollmentDecision.objects.values_list("enrollment_id", flat=True).get(pk=decision_id)
    lock_enrollment_with_seat(enrollment_id)
    lock_decision(decision_id)
