"""The repair of an allocation whose counters do not agree with the seats that are held."""

import datetime as dt

from django.db import transaction
from django.db.models import Count, Q

from ..errors import AllocationBelowUse
from ..locks import lock_allocation
from ..models import SeatAssignment
from ..states import SeatStatus


@transaction.atomic
def recount_seats(*, allocation_id: int, now: dt.datetime) -> tuple[int, int]:
    """Set the counters to what is held; returns the reserved and the used seats.

    Raises AllocationBelowUse if more are held than there are: then the total is to be raised, or a seat given back.
    """
    allocation = lock_allocation(allocation_id)
    held = SeatAssignment.objects.filter(allocation=allocation_id).aggregate(
        reserved=Count("pk", filter=Q(status=SeatStatus.RESERVED)), used=Count("pk", filter=Q(status=SeatStatus.USED))
    )
    both = held["reserved"] + held["used"]
    if both > allocation.total_seats:
        raise AllocationBelowUse(
            f"{both} of {allocation.total_seats} seats are held. Raise the total, or release seats, and count again."
        )
    allocation.reserved_seats, allocation.used_seats = held["reserved"], held["used"]
    allocation.updated_at = now
    allocation.save(update_fields=["reserved_seats", "used_seats", "updated_at"])
    return held["reserved"], held["used"]
