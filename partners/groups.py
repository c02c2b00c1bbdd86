"""Whose turn it is: the rules of groups, as functions of an enrollment's steps. Nothing here reads or writes rows.

The groups of a sequence are completed in order: a group begins once the previous one is satisfied.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby

from core.errors import invalid_field
from enrollments.states import ParticipationStatus

from .errors import StepNotReopenable
from .models import EnrollmentStep, Provider
from .states import DONE, NOT_BEGUN, GroupRule, PartnerStepStatus


def find_startable(steps: Sequence[EnrollmentStep]) -> list[EnrollmentStep]:
    """Return the pending steps whose turn has come: the next one of an ordered group, all of any other group."""
    for group in _groups(steps):
        if is_satisfied(group):
            continue
        if _rule(group) == GroupRule.ALL_IN_ORDER:
            group = [next(step for step in group if step.status not in DONE)]
        return [step for step in group if step.status == PartnerStepStatus.PENDING]
    return []


def find_needless(steps: Sequence[EnrollmentStep]) -> list[EnrollmentStep]:
    """Return the steps that no longer need to begin, because enough others of their group are done. A step in progress
    stays: the learner may finish it.
    """
    return [step for group in _groups(steps) if is_satisfied(group) for step in group if step.status in NOT_BEGUN]


def are_satisfied(steps: Sequence[EnrollmentStep]) -> bool:
    """Return whether every group is satisfied, and there is one: nobody completes a program without steps."""
    return bool(steps) and all(is_satisfied(group) for group in _groups(steps))


def is_satisfied(group: Sequence[EnrollmentStep]) -> bool:
    """Return whether enough steps of one group are completed, or skipped by staff. Failed ones never count."""
    return sum(step.status in DONE for step in group) >= steps_needed(group)


def steps_needed(group: Sequence[EnrollmentStep]) -> int:
    """Return how many steps of a group have to be done."""
    return group[0].item.group.at_least or len(group)


def _rule(group: Sequence[EnrollmentStep]) -> str:
    return group[0].item.group.rule


def _groups(steps: Sequence[EnrollmentStep]) -> Iterator[list[EnrollmentStep]]:
    """Yield the steps by group, in order."""
    for _, group in groupby(steps, key=lambda step: step.item.group_id):
        yield list(group)


def refuse_repeated(steps: Sequence[EnrollmentStep], *, provider: Provider, course: str) -> None:
    """Raise Invalid if one of the steps is this course at this partner."""
    for each in steps:
        if (each.provider_id, each.course) == (provider.pk, course):
            remedy = f"Step {each.sequence_order} is that course already: choose another partner or course."
            raise invalid_field("courseId", "repeated", remedy)


def check_reopenable(step: EnrollmentStep, steps: Sequence[EnrollmentStep]) -> bool:
    """Return whether the participation is completed by its steps. Raises StepNotReopenable for any other end."""
    status = step.enrollment.participation_status
    if step.retired_at is not None:
        raise StepNotReopenable("Another step has replaced this one: reopen that one.")
    if status == ParticipationStatus.COMPLETED and are_satisfied(steps):
        return True
    if status != ParticipationStatus.ACTIVE:
        raise StepNotReopenable("The learner does not take part any more, so there is nothing to do again.")
    return False
