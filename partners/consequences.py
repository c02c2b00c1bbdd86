"""The consequences of changing one step, for staff to read beforehand: the one place for every button on a step.

Each change is tried on rows that are read and never saved, by the same transitions and group rules as in the use cases.
"""

from collections.abc import Sequence

from enrollments.admission import refuse_second
from enrollments.emails import addresses_about, hears_from_us

from .groups import are_satisfied, check_reopenable, find_needless, find_startable, refuse_repeated
from .models import Certificate, EnrollmentStep, Provider
from .states import Adapter, PartnerStepStatus

ALL_IS_DONE = "Nothing is left to do: the program is completed, and the certificate issued once nothing is owed."


def tell_retry(step: EnrollmentStep) -> list[str]:
    """Say who is asked again, and the partner's last answer."""
    said = f" It said: {step.last_error}" if step.last_error else ""
    told = [f"{step.provider} is asked again to take {_person(step)} for {step.course}.{said}"]
    return [*told, *_tell_pause(step.provider)]


def tell_skip(step: EnrollmentStep) -> list[str]:
    """Say what counts as done, and what follows."""
    steps = _way_of(step)
    tried = _on(steps, step)
    tried.skip()
    return [f"{step.course} at {step.provider} counts as done.", *_tell_leaving(step), *_tell_settled(steps)]


def tell_completion(step: EnrollmentStep) -> list[str]:
    """Say what is done, and what follows."""
    steps = _way_of(step)
    _on(steps, step).complete()
    return [f"{step.course} at {step.provider} is completed.", *_tell_settled(steps)]


def tell_reassignment(step: EnrollmentStep, *, provider: Provider, course_id: str) -> list[str]:
    """Say what replaces the step, and what follows. Raises Invalid for a course that the learner has there already."""
    steps = _way_of(step)
    placed = _another(step, provider=provider, course_id=course_id or step.course)
    refuse_repeated(steps, provider=provider, course=placed.course)
    steps = [placed if each.pk == step.pk else each for each in steps]
    told = [f"{placed.course} at {provider} stands in the place of {step.course} at {step.provider}."]
    return [*told, *_tell_leaving(step), *_tell_settled(steps), *_tell_pause(provider)]


def tell_reopening(step: EnrollmentStep) -> list[str]:
    """Say what has to be done again, and what that revokes. Raises what reopening it raises."""
    steps = _way_of(step)
    is_over = check_reopenable(step, steps)
    tried = _on(steps, step)
    if tried.status == PartnerStepStatus.COMPLETED and tried.external_enrollment_id is not None and tried.started_at:
        tried.reopen()
        told = [f"{_person(step)} goes on at {step.provider} with {step.course}."]
    else:
        placed = _another(step, provider=step.provider, course_id=step.course_id)
        steps = [placed if each.pk == step.pk else each for each in steps]
        told = [f"{step.provider} is asked again to take {_person(step)} for {step.course}, in its turn."]
    if are_satisfied(steps):
        return [*told, "Enough other steps of the group are done, so nothing else changes."]
    if is_over:
        refuse_second(step.enrollment)
        told.append("The program is no longer completed.")
        certificate = Certificate.objects.live().filter(enrollment=step.enrollment_id).first()
        told += [f"Certificate {certificate.serial} is revoked."] if certificate is not None else []
    return [*told, *_tell_settled(steps)]


def tell_reissue(certificate: Certificate) -> list[str]:
    """Say which certificate is replaced, and which name and program the new one states."""
    enrollment = certificate.enrollment
    return [
        f"Certificate {certificate.serial} of {certificate.learner_name} for {certificate.program_title} is replaced.",
        f"The new one is of {enrollment.person} for {enrollment.instance.program.title}.",
    ]


def mails_about(step: EnrollmentStep, told: Sequence[str]) -> str:
    """Say who is sent a mail: a family with a certificate."""
    if ALL_IS_DONE not in told or not hears_from_us(step.enrollment) or not addresses_about(step.enrollment):
        return "No mail is sent."
    return "The family gets a mail once the certificate is issued."


def _way_of(step: EnrollmentStep) -> list[EnrollmentStep]:
    """Return the steps of its enrollment as they are, to try changes on."""
    return list(EnrollmentStep.objects.of(step.enrollment_id))


def _on(steps: Sequence[EnrollmentStep], step: EnrollmentStep) -> EnrollmentStep:
    return next(each for each in steps if each.pk == step.pk)


def _another(step: EnrollmentStep, *, provider: Provider, course_id: str) -> EnrollmentStep:
    return EnrollmentStep(
        enrollment=step.enrollment,
        item=step.item,
        provider=provider,
        course_id=course_id,
        sequence_order=step.sequence_order,
    )


def _tell_settled(steps: Sequence[EnrollmentStep]) -> list[str]:
    """Say what follows for the other steps, as `progression.settle` decides it."""
    needless = find_needless(steps)
    for each in needless:
        each.withdraw()
    startable = find_startable(steps)
    told = [f"Withdrawn, as enough of its group is done: {_name(each)}." for each in needless]
    told += [f"Asked for next: {_name(each)}." for each in startable]
    return [*told, ALL_IS_DONE] if are_satisfied(steps) else told


def _tell_leaving(step: EnrollmentStep) -> list[str]:
    """Say whether its partner has to let the learner go."""
    if step.external_enrollment_id is None and step.asked_at is None:
        return []
    has = "has" if step.external_enrollment_id is not None else "may have"
    if step.provider.adapter == Adapter.MANUAL:
        return [f"{step.provider} {has} {_person(step)}, and has no API: tell it yourself."]
    return [f"{step.provider} {has} {_person(step)}, and is told that they leave."]


def _tell_pause(provider: Provider) -> list[str]:
    return [] if provider.paused_at is None else [f"{provider} is paused: it is asked once you resume it."]


def _name(step: EnrollmentStep) -> str:
    return f"{step.course} at {step.provider}"


def _person(step: EnrollmentStep) -> str:
    return str(step.enrollment.person)
