"""Every row lock of this app, in the one order that all transactions keep (docs/concurrency.md, section 3).

An enrollment's steps change behind the lock of the enrollment, and need none of their own: completing one affects its
neighbors and the enrollment itself.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from enrollments.locks import lock_enrollment, lock_together
from enrollments.models import Program

from .errors import StepNotFound
from .models import EnrollmentStep


def lock_steps(enrollment_id: int) -> list[EnrollmentStep]:
    """Return all steps of an enrollment in order, as they are once the enrollment is locked."""
    enrollment = lock_enrollment(enrollment_id)
    steps = list(EnrollmentStep.objects.of(enrollment_id))
    for step in steps:
        step.enrollment = enrollment
    return steps


def lock_step(step_id: int) -> tuple[EnrollmentStep, list[EnrollmentStep]]:
    """Return a step, and its enrollment's steps in order, including it unless it is retired. Raises StepNotFound."""
    enrollment_id = EnrollmentStep.objects.filter(pk=step_id).values_list("enrollment_id", flat=True).first()
    if enrollment_id is None:
        raise StepNotFound
    steps = lock_steps(enrollment_id)
    for step in steps:
        if step.pk == step_id:
            return step, steps
    retired = EnrollmentStep.objects.select_related("item__group", "provider", "enrollment").get(pk=step_id)
    return retired, steps


def lock_ways(step_ids: Sequence[int], *, wait: bool) -> Iterator[tuple[EnrollmentStep, list[EnrollmentStep]]]:
    """Yield the same for each of these steps, in few queries: their enrollments are locked in the order of their ids.

    Without `wait`, steps of enrollments that somebody else has locked are left out.
    """
    concerned = EnrollmentStep.objects.filter(pk__among=step_ids).values_list("enrollment_id", flat=True)
    enrollments = {each.pk: each for each in lock_together(sorted(set(concerned)), wait=wait)}
    rows = EnrollmentStep.objects.filter(enrollment__pk__among=list(enrollments)).prefetch_related(
        "item__group", "provider"
    )
    found = {}
    ways: dict[int, list[EnrollmentStep]] = defaultdict(list)
    for step in rows.order_by("sequence_order"):
        step.enrollment = enrollments[step.enrollment_id]
        found[step.pk] = step
        if step.retired_at is None:
            ways[step.enrollment_id].append(step)
    for step_id in step_ids:
        if step_id in found:
            yield found[step_id], ways[found[step_id].enrollment_id]


def lock_program(program_id: int) -> Program:
    """Lock the program, whose sequence gets one new version at a time; nothing else is locked with it."""
    return Program.objects.select_for_update(no_key=True).get(pk=program_id)
