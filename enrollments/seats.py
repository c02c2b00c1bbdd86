"""District seats. One conditional UPDATE decides whether a seat is taken; the rows prove the counters."""

import datetime as dt
from dataclasses import dataclass

from django.db import IntegrityError, connection, models, transaction
from django.db.models import Count, F, Q

from core.actors import Actor
from core.database_errors import violates
from core.errors import NotFound, invalid_field
from core.local_time import check_date, local_date
from core.money import Money
from core.statements import fetch_rows
from core.text import fit

from .errors import AllocationBelowUse, AllocationExists, SeatsExhausted
from .events import SeatReleased, SeatUsed
from .locks import lock_allocation
from .models import AllocationChange, District, DistrictSeatAllocation, ProgramInstance, SeatAssignment
from .states import HELD_SEATS, SeatStatus

MAX_SEATS = 10_000_000


@dataclass(frozen=True, slots=True)
class SeatCounts:
    """An allocation's counters at the moment a seat was taken."""

    total: int
    reserved: int
    used: int

    @property
    def available(self) -> int:
        return self.total - self.reserved - self.used


# PostgreSQL and SQLite both support RETURNING, which saves a second statement while the hot row is locked.
_TAKE = """
    UPDATE enrollments_districtseatallocation
       SET reserved_seats = reserved_seats + %s, used_seats = used_seats + %s, updated_at = %s
     WHERE id = %s AND is_active
       AND reserved_seats + used_seats < total_seats
       AND (valid_from IS NULL OR valid_from <= %s)
       AND (valid_until IS NULL OR valid_until >= %s)
 RETURNING total_seats, reserved_seats, used_seats
"""


def take_seat(
    *, allocation_id: int, as_status: SeatStatus, now: dt.datetime, today: dt.date | None = None
) -> SeatCounts:
    """Count one more seat as reserved or used, if one is free. Otherwise raises SeatsExhausted and changes nothing.

    `today` is the current day in the allocation's district, looked up unless the caller passes it.

    The caller writes the SeatAssignment in the same transaction.
    """
    reserved, used = (1, 0) if as_status == SeatStatus.RESERVED else (0, 1)
    if today is None:
        allocation = DistrictSeatAllocation.objects.select_related("district__workspace").get(pk=allocation_id)
        today = local_date(now, allocation.zone)
    day = connection.ops.adapt_datefield_value(today)
    moment = connection.ops.adapt_datetimefield_value(now)
    for counts in fetch_rows(_TAKE, [reserved, used, moment, allocation_id, day, day]):
        return SeatCounts(*counts)
    raise SeatsExhausted(allocation_id=allocation_id)


def use_seat(*, seat: SeatAssignment, workspace_id: int, enrollment_cuid: str, now: dt.datetime) -> SeatUsed | None:
    """Turn a reserved seat into a used one, its allocation being locked. Returns the event; None if it was used."""
    moved = SeatAssignment.objects.filter(pk=seat.pk, status=SeatStatus.RESERVED).update(
        status=SeatStatus.USED, used_at=now
    )
    if not moved:
        return None
    DistrictSeatAllocation.objects.filter(pk=seat.allocation_id).update(
        reserved_seats=F("reserved_seats") - 1, used_seats=F("used_seats") + 1, updated_at=now
    )
    return SeatUsed(
        workspace_id=workspace_id,
        occurred_at=now,
        seat_id=seat.pk,
        allocation_id=seat.allocation_id,
        enrollment_cuid=enrollment_cuid,
    )


def release_seat(
    *, seat: SeatAssignment, workspace_id: int, enrollment_cuid: str, reason: str, now: dt.datetime
) -> SeatReleased | None:
    """Release a held seat while its allocation is locked. Returns its event; None if it was released before."""
    counter = "reserved_seats" if seat.status == SeatStatus.RESERVED else "used_seats"
    moved = SeatAssignment.objects.filter(pk=seat.pk, status=seat.status, status__in=HELD_SEATS).update(
        status=SeatStatus.RELEASED, released_at=now, release_reason=fit(SeatAssignment, "release_reason", reason)
    )
    if not moved:
        return None
    DistrictSeatAllocation.objects.filter(pk=seat.allocation_id).update(**{counter: F(counter) - 1, "updated_at": now})
    return SeatReleased(
        workspace_id=workspace_id,
        occurred_at=now,
        seat_id=seat.pk,
        allocation_id=seat.allocation_id,
        enrollment_cuid=enrollment_cuid,
    )


@transaction.atomic
def create_allocation(
    *,
    workspace_id: int,
    tenant_id: int,
    total_seats: int,
    name: str = "",
    instance_id: int | None = None,
    valid_from: dt.date | None = None,
    valid_until: dt.date | None = None,
    term: str = "",
    seat_price: Money | None = None,
    now: dt.datetime,
) -> DistrictSeatAllocation:
    """Create seats for a district, which is created too if this workspace has none with this tenant id.

    Without `instance_id` the seats are valid for any program. Seats for certain days are distinguished from the
    district's others by their `term`, which defaults to those days. Raises NotFound for an instance of another
    workspace, Invalid for a total out of range and for days in the wrong order, AllocationExists if the district has
    one of this term for the same programs.
    """
    _check_total(total_seats)
    term = term.strip() or term_of(valid_from, valid_until)
    check_days(valid_from, valid_until)
    if instance_id is not None and not ProgramInstance.objects.filter(pk=instance_id, workspace=workspace_id).exists():
        raise NotFound("program_instance_id: there is no such program instance in this workspace.")
    district, _ = District.objects.get_or_create(
        workspace_id=workspace_id, tenant_id=tenant_id, defaults={"name": name or f"District {tenant_id}"}
    )
    allocation = DistrictSeatAllocation(
        district=district,
        instance_id=instance_id,
        term=term,
        total_seats=total_seats,
        valid_from=valid_from,
        valid_until=valid_until,
        seat_price_minor=seat_price.minor if seat_price else None,
        currency=seat_price.currency if seat_price else "",
        created_at=now,
        updated_at=now,
    )
    try:
        with transaction.atomic():
            allocation.save(force_insert=True)
    except IntegrityError as error:
        if not violates(error, "allocation_one_per_instance" if instance_id else "allocation_one_general"):
            raise
        raise AllocationExists(
            f"District {tenant_id} already has an allocation for "
            f"{'this program instance' if instance_id else 'all programs'}{f' and {term}' if term else ''}; change it "
            "with PUT instead, or give this one another term."
        ) from error
    return allocation


@transaction.atomic
def update_allocation(
    *,
    allocation_id: int,
    total_seats: int | None = None,
    is_active: bool | None = None,
    actor: Actor,
    reason: str = "",
    now: dt.datetime,
) -> DistrictSeatAllocation:
    """Change the total or switch an allocation on or off, and record who did so and why.

    Raises AllocationBelowUse, changing nothing, if more seats are reserved and used than the new total.
    """
    before = lock_allocation(allocation_id)
    changes: dict[str, object] = {"updated_at": now}
    allowed = models.Q()
    if total_seats is not None:
        _check_total(total_seats)
        changes["total_seats"] = total_seats
        allowed = models.Q(reserved_seats__lte=total_seats - F("used_seats"))
    if is_active is not None:
        changes["is_active"] = is_active
    changed = DistrictSeatAllocation.objects.filter(allowed, pk=allocation_id).update(**changes)
    allocation = DistrictSeatAllocation.objects.select_related("district").get(pk=allocation_id)
    if not changed:
        raise _below_use(allocation)
    if (before.total_seats, before.is_active) != (allocation.total_seats, allocation.is_active):
        AllocationChange.objects.create(
            allocation=allocation,
            total_before=before.total_seats,
            total_after=allocation.total_seats,
            was_active=before.is_active,
            is_active=allocation.is_active,
            reason=fit(AllocationChange, "reason", reason.strip()),
            actor=str(actor),
            created_at=now,
        )
    return allocation


def check_total_covers(allocation: DistrictSeatAllocation, total_seats: int) -> None:
    """Raise AllocationBelowUse if more seats than that are held, as far as this row knows."""
    if total_seats < allocation.reserved_seats + allocation.used_seats:
        raise _below_use(allocation)


def _below_use(allocation: DistrictSeatAllocation) -> AllocationBelowUse:
    return AllocationBelowUse(
        f"Seats reserved: {allocation.reserved_seats}, used: {allocation.used_seats}. "
        f"The total can't go below {allocation.reserved_seats + allocation.used_seats}."
    )


def term_of(valid_from: dt.date | None, valid_until: dt.date | None) -> str:
    """Return the default name of a term with these days; empty if it has none."""
    if valid_from and valid_until:
        return f"{valid_from} to {valid_until}"
    return f"from {valid_from}" if valid_from else f"until {valid_until}" if valid_until else ""


def check_days(valid_from: dt.date | None, valid_until: dt.date | None) -> None:
    """Raise Invalid for implausible days, or days in the wrong order."""
    for field, date in (("valid_from", valid_from), ("valid_until", valid_until)):
        if date is not None:
            check_date(date, field)
    if valid_from and valid_until and valid_until < valid_from:
        raise invalid_field("valid_until", "out_of_range", f"Give {valid_from} or a later day.")


@transaction.atomic
def recount_seats(*, allocation_id: int, now: dt.datetime) -> tuple[int, int]:
    """Set the counters to what is held; returns the reserved and the used seats.

    Raises AllocationBelowUse if more are held than there are: then raise the total, or give back a seat.
    """
    allocation = lock_allocation(allocation_id)
    held = SeatAssignment.objects.filter(allocation=allocation_id).aggregate(
        reserved=Count("pk", filter=Q(status=SeatStatus.RESERVED)), used=Count("pk", filter=Q(status=SeatStatus.USED))
    )
    both = held["reserved"] + held["used"]
    if both > allocation.total_seats:
        raise AllocationBelowUse(
            f"Seats held: {both} of {allocation.total_seats}. Raise the total, or release seats, and count again."
        )
    allocation.reserved_seats = held["reserved"]
    allocation.used_seats = held["used"]
    allocation.updated_at = now
    allocation.save(update_fields=["reserved_seats", "used_seats", "updated_at"])
    return held["reserved"], held["used"]


def _check_total(total_seats: int) -> None:
    if not 0 <= total_seats <= MAX_SEATS:
        raise invalid_field("total_seats", "out_of_range", f"Give a number from 0 to {MAX_SEATS:,}.")
