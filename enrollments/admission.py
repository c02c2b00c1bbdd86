"""Whether an instance has room, and who gets its last place.

Current enrollments are counted while the instance's row is locked, so if two want the last place, one waits and then
sees the other. There is no counter: most instances have no capacity, and a counter would be one row on which all their
learners wait.
"""

from .errors import AlreadyEnrolled, InstanceFull
from .locks import lock_instance
from .models import Enrollment, ProgramInstance
from .states import GOING_ON


def has_room(instance: ProgramInstance) -> bool:
    """Return whether one more enrollment could be submitted now."""
    return instance.capacity is None or _taken(instance) < instance.capacity


def take_place(enrollment: Enrollment) -> None:
    """Take a place for the (locked) enrollment, which is about to be submitted. Raises InstanceFull.

    Nothing has to be given back: an enrollment that is rejected, unenrolled, completed, or deleted no longer counts.
    """
    if enrollment.instance.capacity is None:
        return
    instance = lock_instance(enrollment.instance_id)
    if not has_room(instance):
        raise InstanceFull(f"All places of {instance.name} are taken.")


def _taken(instance: ProgramInstance) -> int:
    return Enrollment.objects.current().filter(instance=instance, eligibility_status__in=GOING_ON).count()


def refuse_second(enrollment: Enrollment) -> None:
    """Raise AlreadyEnrolled if a completed enrollment can't be resumed: its learner is enrolled again by now."""
    others = Enrollment.objects.current().filter(learner=enrollment.learner_id, instance=enrollment.instance_id)
    if other := others.exclude(pk=enrollment.pk).values_list("cuid", flat=True).first():
        raise AlreadyEnrolled("The learner is enrolled again by now: change that enrollment.", enrollment_id=other)
