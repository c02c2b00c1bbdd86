"""District seats. One conditional UPDATE decides whether a seat is taken; the rows prove the counters."""

import datetime as dt
from dataclasses import dataclass

from django.db import IntegrityError, connection, models, transaction
from django.db.models import F

from core.errors import NotFound, invalid_field
from core.local_time import check_date, local_date
from core.text import fit

from .errors import AllocationBelowUse, AllocationExists, SeatsExhausted
from .events import SeatReleased, SeatUsed
from .models import District, DistrictSeatAllocation, ProgramInstance, SeatAssignment
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


# PostgreSQL and SQLite both know RETURNING, which spares a second statement while the hot row is locked.
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
    """Count one more seat as reserved or used, if one is free. Raises SeatsExhausted and changes nothing otherwise.

    `today` is the day it is in the allocation's district, looked up unless the caller knows it.

    The caller writes the SeatAssignment in the same transaction.
    """
    reserved, used = (1, 0) if as_status == SeatStatus.RESERVED else (0, 1)
    if today is None:
        allocation = DistrictSeatAllocation.objects.select_related("district__workspace").get(pk=allocation_id)
        today = local_date(now, allocation.zone)
    day = connection.ops.adapt_datefield_value(today)
    moment = connection.ops.adapt_datetimefield_value(now)
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, [reserved, used, moment, allocation_id, day, day])
        row = cursor.fetchone()
    if row is None:
        raise SeatsExhausted(allocation_id=allocation_id)
    return SeatCounts(*row)


def use_seat(*, seat: SeatAssignment, workspace_id: int, enrollment_cuid: str, now: dt.datetime) -> SeatUsed | None:
    """Turn a reserved seat into a used one, its allocation being locked. Returns its event, None if that was done."""
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
    """Give a held seat back, its allocation being locked. Returns its event, None if it was released before."""
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
    now: dt.datetime,
) -> DistrictSeatAllocation:
    """Seats for a district, which is created if this workspace has none with this tenant id.

    Without `instance_id` the seats are good for any program. Raises NotFound for an instance of another workspace,
    Invalid for a total out of range, AllocationExists if the district has an allocation for the same.
    """
    _check_total(total_seats)
    for field, date in (("valid_from", valid_from), ("valid_until", valid_until)):
        if date is not None:
            check_date(date, field)
    if instance_id is not None and not ProgramInstance.objects.filter(pk=instance_id, workspace=workspace_id).exists():
        raise NotFound("program_instance_id: there is no such program instance in this workspace.")
    district, _ = District.objects.get_or_create(
        workspace_id=workspace_id, tenant_id=tenant_id, defaults={"name": name or f"District {tenant_id}"}
    )
    allocation = DistrictSeatAllocation(
        district=district,
        instance_id=instance_id,
        total_seats=total_seats,
        valid_from=valid_from,
        valid_until=valid_until,
        created_at=now,
        updated_at=now,
    )
    try:
        with transaction.atomic():
            allocation.save(force_insert=True)
    except IntegrityError as error:
        raise AllocationExists(
            f"District {tenant_id} already has an allocation for "
            f"{'this program instance' if instance_id else 'all programs'}; change it with PUT instead."
        ) from error
    return allocation


@transaction.atomic
def update_allocation(
    *,
    allocation_id: int,
    total_seats: int | None = None,
    is_active: bool | None = None,
    now: dt.datetime,
) -> DistrictSeatAllocation:
    """Change the total or switch an allocation on or off.

    Raises AllocationBelowUse, changing nothing, if more seats are reserved and used than the new total.
    """
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
        raise AllocationBelowUse(
            f"{allocation.reserved_seats} seats are reserved and {allocation.used_seats} used; "
            f"the total can't go below {allocation.reserved_seats + allocation.used_seats}."
        )
    return allocation


def _check_total(total_seats: int) -> None:
    if not 0 <= total_seats <= MAX_SEATS:
        raise invalid_field("total_seats", "out_of_range", f"Give a number from 0 to {MAX_SEATS:,}.")
