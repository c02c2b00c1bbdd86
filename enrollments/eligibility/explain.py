"""A kept verdict as programs read it."""

from typing import Any

from core.clock import utc_text

from ..models import EligibilityVerdict


def describe_verdict(verdict: EligibilityVerdict) -> dict[str, Any]:
    """The verdict with each criterion, the inputs that it read and its answer, in the spelling of the API."""
    return {
        "outcome": verdict.outcome,
        "reason": verdict.reason,
        "criteriaVersion": verdict.criteria_version,
        "criteria": verdict.answers,
        "actor": verdict.actor,
        "createdAt": utc_text(verdict.created_at),
    }
