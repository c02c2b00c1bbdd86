"""What learners own in this app, for merging two who are the same person: rows move unless both hold the same thing."""

from accounts.belongings import Belonging, register_belonging

from .models import Enrollment, EnrollmentDecision, SeatAssignment
from .states import HELD_SEATS


def _find_double_enrollments(keep_id: int, drop_id: int) -> list[str]:
    current = Enrollment.objects.current().select_related("instance__program")
    theirs = {enrollment.instance_id: enrollment for enrollment in current.filter(learner=drop_id).order_by("pk")}
    return [
        f"Both are enrolled in {each.instance.full_title} (enrollments {each.pk} and "
        f"{theirs[each.instance_id].pk}): end one of the two first."
        for each in current.filter(learner=keep_id, instance__in=theirs).order_by("pk")
    ]


def _find_double_seats(keep_id: int, drop_id: int) -> list[str]:
    held = SeatAssignment.objects.filter(status__in=HELD_SEATS).select_related("allocation__district")
    theirs = {seat.allocation_id: seat for seat in held.filter(learner=drop_id).order_by("pk")}
    return [
        f"Both hold a seat of {each.allocation.district}, of which one learner may hold one (enrollments "
        f"{each.enrollment_id} and {theirs[each.allocation_id].enrollment_id}): end one of the two enrollments first."
        for each in held.filter(learner=keep_id, allocation__in=theirs).order_by("pk")
    ]


register_belonging(Belonging(Enrollment, "learner", "enrollments", find_clashes=_find_double_enrollments))
register_belonging(Belonging(SeatAssignment, "learner", "seats", find_clashes=_find_double_seats))
register_belonging(Belonging(EnrollmentDecision, "learner", "decisions"))
