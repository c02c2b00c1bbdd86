"""The repair of a cohort or a class session whose counter does not agree with who is in it."""

from django.db import transaction
from django.db.models import Count, Q

from .errors import CapacityBelowUse, SeatsBelowBookings
from .locks import lock_cohort, lock_sessions
from .models import CohortPlace, StepProgress
from .states import SEATED, PlaceStatus


@transaction.atomic
def recount_places(*, cohort_id: int) -> tuple[int, int]:
    """Set a cohort's counters to its places; returns the held and the taken ones.

    Raises CapacityBelowUse if there are more than it has room for.
    """
    cohort = lock_cohort(cohort_id)
    places = CohortPlace.objects.filter(cohort=cohort_id).aggregate(
        held=Count("pk", filter=Q(status=PlaceStatus.HELD)), taken=Count("pk", filter=Q(status=PlaceStatus.TAKEN))
    )
    used = places["held"] + places["taken"]
    if used > cohort.max_enrollment:
        raise CapacityBelowUse(
            f"{used} of {cohort.max_enrollment} places are taken or held. Raise the cohort's places, and count again."
        )
    cohort.held_places, cohort.current_enrollment = places["held"], places["taken"]
    cohort.save(update_fields=["held_places", "current_enrollment"])
    return places["held"], places["taken"]


@transaction.atomic
def recount_bookings(*, session_id: int) -> int:
    """Set a class session's count to the learners who hold a seat in it; returns how many.

    Raises SeatsBelowBookings if there are more than it has seats.
    """
    session = lock_sessions({session_id})[session_id]
    seated = StepProgress.objects.filter(class_session=session_id, status__in=SEATED).count()
    if seated > session.max_students:
        raise SeatsBelowBookings(
            f"{seated} learners hold one of {session.max_students} seats. Add seats to the session, and count again."
        )
    session.booked_count = seated
    session.save(update_fields=["booked_count"])
    return seated
