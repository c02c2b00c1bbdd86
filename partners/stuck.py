"""Which learners are stuck at a partner, for how long, and who has to act.

`EnrollmentStep.objects.stuck(now)` finds them; this module describes each one.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from .models import EnrollmentStep
from .models.outages import outages_of, time_passed
from .states import Adapter, PartnerStepStatus


class Turn(StrEnum):
    """Who has to act before a step can progress."""

    LEARNER = "learner"
    PARTNER = "partner"
    US = "us"


@dataclass(frozen=True, slots=True)
class StuckStep:
    """A step that does not progress, with what staff want to know about it."""

    step: EnrollmentStep
    turn: Turn | None
    days: int  # whole days in the current status, without the partner's outages


def whose_turn(step: EnrollmentStep) -> Turn | None:
    """Return who has to act now; None before the step's turn and after its end. Reads only the step and its provider.

    An accepted learner works on the course. Until then the partner has to accept, or staff if they have paused it or
    enroll by hand. A failed step is for staff.
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
    """Return for how many days each of these has not progressed, and who has to act: one query for all of them."""
    outages = outages_of(list({step.provider_id: step.provider for step in steps}.values()), now=now)
    return [
        StuckStep(
            step=step,
            turn=whose_turn(step),
            days=time_passed(step.changed_at, now, outages[step.provider_id]).days,
        )
        for step in steps
    ]
