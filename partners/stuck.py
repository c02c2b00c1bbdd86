"""Which learners are stuck at a partner, for how long, and whose turn it is to do something about it.

`EnrollmentStep.objects.stuck(now)` finds them; here is what is said about each.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from .models import EnrollmentStep
from .models.outages import outages_of, time_passed
from .states import Adapter, PartnerStepStatus


class Turn(StrEnum):
    """Who has to act before a step can go on."""

    LEARNER = "learner"
    PARTNER = "partner"
    US = "us"


@dataclass(frozen=True, slots=True)
class StuckStep:
    """A step that does not move, with what staff want to know about it."""

    step: EnrollmentStep
    turn: Turn | None
    days: int  # whole ones in the present status, without the partner's outages


def whose_turn(step: EnrollmentStep) -> Turn | None:
    """Who has to act now; None before the step's turn and after its end. Reads the step and its provider, no rows.

    A learner who was accepted works at the course. Until then the partner has to accept, or staff where they have
    paused it or enroll by hand. A step that failed is for staff.
    """
    match step.status:
        case PartnerStepStatus.IN_PROGRESS:
            return Turn.LEARNER
        case PartnerStepStatus.QUEUED:
            by_hand = step.provider.adapter == Adapter.MANUAL
            return Turn.US if by_hand or step.provider.paused_at is not None else Turn.PARTNER
        case PartnerStepStatus.FAILED:
            return Turn.US
    return None


def describe_stuck(steps: Sequence[EnrollmentStep], *, now: dt.datetime) -> list[StuckStep]:
    """For how many days each of these has not moved, and whose turn it is: one query for all of them."""
    outages = outages_of(list({step.provider_id: step.provider for step in steps}.values()), now=now)
    return [
        StuckStep(
            step=step,
            turn=whose_turn(step),
            days=time_passed(step.changed_at, now, outages[step.provider_id]).days,
        )
        for step in steps
    ]
