"""Whether a learner meets a program instance's criteria.

Rules come from `rules_for(instance)`; an instance without rules accepts everybody. Each answer is kept in the trace of
the decision, so that a refusal can be explained later.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .models import ProgramInstance

NO_CRITERIA = "No criteria"


@dataclass(frozen=True, slots=True)
class Rule:
    """One named criterion: `holds(facts)` over what is known of the learner, and `otherwise` for people."""

    name: str
    holds: Callable[[Mapping[str, Any]], bool]
    otherwise: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome, its reason in words, and each rule with its answer, in the order they were asked."""

    eligible: bool
    reason: str
    trace: tuple[dict[str, Any], ...]


def rules_for(instance: ProgramInstance) -> tuple[Rule, ...]:
    """The criteria of an instance. None are kept yet, so there are none to ask."""
    return ()


def assess(*, instance: ProgramInstance, facts: Mapping[str, Any]) -> Verdict:
    """Ask every rule of the instance; the first that does not hold gives the reason."""
    trace = []
    failed: Rule | None = None
    for rule in rules_for(instance):
        answer = rule.holds(facts)
        trace.append({"rule": f"eligibility.{rule.name}", "answer": answer})
        if not answer and failed is None:
            failed = rule
    if failed is not None:
        return Verdict(eligible=False, reason=failed.otherwise, trace=tuple(trace))
    if not trace:
        trace.append({"rule": "eligibility.no_criteria", "answer": True})
        return Verdict(eligible=True, reason=NO_CRITERIA, trace=tuple(trace))
    return Verdict(eligible=True, reason="Meets all criteria", trace=tuple(trace))
