"""Every row lock of this app, in the one order that all transactions keep (docs/concurrency.md, section 3).

An enrollment's steps change behind the lock of the enrollment, and need none of their own: completing one decides about
its neighbors and about the enrollment itself.
"""

from enrollments.locks import lock_enrollment
from enrollments.models import Program

from .errors import StepNotFound
from .models import EnrollmentStep


def lock_steps(enrollment_id: int) -> list[EnrollmentStep]:
    """All steps of an enrollment in their order, as they are once the enrollment is locked."""
    enrollment = lock_enrollment(enrollment_id)
    steps = list(EnrollmentStep.objects.of(enrollment_id))
    for step in steps:
        step.enrollment = enrollment
    return steps


def lock_step(step_id: int) -> tuple[EnrollmentStep, list[EnrollmentStep]]:
    """One step, and all on the way of its enrollment in their order, it among them unless it is retired. Raises
    StepNotFound."""
    enrollment_id = EnrollmentStep.objects.filter(pk=step_id).values_list("enrollment_id", flat=True).first()
    if enrollment_id is None:
        raise StepNotFound
    steps = lock_steps(enrollment_id)
    for step in steps:
        if step.pk == step_id:
            return step, steps
    retired = EnrollmentStep.objects.select_related("item__group", "provider", "enrollment").get(pk=step_id)
    return retired, steps


def lock_program(program_id: int) -> Program:
    """The program, whose sequence gets one new version at a time; nothing else is locked with it."""
    return Program.objects.select_for_update(no_key=True).get(pk=program_id)
