"""Whether a learner meets a program instance's criteria. No instance keeps criteria yet, so everybody meets them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .models import ProgramInstance

NO_CRITERIA = "No criteria"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome, its reason in words, and each criterion with its answer, which the trace of the decision keeps."""

    is_eligible: bool
    reason: str
    trace: tuple[dict[str, Any], ...]


def assess(*, instance: ProgramInstance, facts: Mapping[str, Any]) -> Verdict:
    """What the instance's criteria say of somebody of whom these facts are known."""
    return Verdict(is_eligible=True, reason=NO_CRITERIA, trace=({"rule": "eligibility.no_criteria", "answer": True},))
