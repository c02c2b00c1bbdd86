"""Criteria for the tests: no program instance keeps any yet."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from enrollments import lifecycle
from enrollments.eligibility import Verdict
from enrollments.models import ProgramInstance


def ask_one_criterion(
    monkeypatch: pytest.MonkeyPatch, holds: Callable[[Mapping[str, Any]], bool], *, otherwise: str
) -> None:
    """From now on every instance has one criterion, which `holds` of somebody's facts or not."""

    def assess(*, instance: ProgramInstance, facts: Mapping[str, Any]) -> Verdict:
        answer = holds(facts)
        return Verdict(
            is_eligible=answer,
            reason="Meets all criteria" if answer else otherwise,
            trace=({"rule": "eligibility.of_a_test", "answer": answer},),
        )

    monkeypatch.setattr(lifecycle, "assess", assess)
