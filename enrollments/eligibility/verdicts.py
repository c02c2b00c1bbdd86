"""Whether a person meets a program instance's criteria, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.text import fit, shorten_together

from ..models import Criterion, EligibilityVerdict, ProgramInstance
from ..states import VerdictOutcome
from .criteria import FIRST_VERSION, CriterionDraft, list_criteria
from .expressions import Answer, Expression, ExpressionFault, Known, compile_expression

NO_CRITERIA = "No criteria"
MEETS_ALL = "Meets all criteria"
UNREADABLE = "its expression can't be read any more"


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome with its reason in words. `answers` contains each criterion with its inputs and its answer, as the
    verdict is stored. `rule` is what decided if no criterion was evaluated.
    """

    outcome: VerdictOutcome
    reason: str
    answers: tuple[dict[str, Any], ...] = ()
    rule: dict[str, Any] | None = None

    @property
    def trace(self) -> tuple[dict[str, Any], ...]:
        """Return what was evaluated, in the form that a routing decision stores."""
        if self.rule is not None:
            return (self.rule,)
        return tuple({"rule": "eligibility.criterion", **answer} for answer in self.answers)

    @property
    def is_eligible(self) -> bool:
        return self.outcome == VerdictOutcome.ELIGIBLE

    @property
    def is_decided(self) -> bool:
        return self.outcome != VerdictOutcome.UNDECIDED


def assess(*, instance: ProgramInstance, facts: Mapping[str, Any]) -> Verdict:
    """Return the verdict of the instance's criteria on a person with these facts."""
    return criteria_of(instance).judge(facts)


def criteria_of(instance: ProgramInstance) -> "CriteriaSet":
    """Return the criteria that apply to the instance, by the version it was read with."""
    if instance.criteria_version == FIRST_VERSION:  # nothing to read, which saves routing a query
        return CriteriaSet(())
    return CriteriaSet(list_criteria(instance.pk, instance.criteria_version))


class CriteriaSet:
    """Criteria that are compiled once to evaluate many enrollments."""

    def __init__(self, criteria: Sequence[Criterion | CriterionDraft]) -> None:
        self._criteria = [(criterion, _compiled(criterion.expression)) for criterion in criteria]
        reads = {path[0] for _, expression in self._criteria if expression for path in expression.reads}
        self.reads = frozenset(reads)

    def judge(self, facts: Mapping[str, Any]) -> Verdict:
        """Evaluate all criteria. The first, in their order, that does not hold or can't be evaluated decides."""
        if not self._criteria:
            return NOTHING_TO_MEET
        known = Known(facts, self.reads)
        answers = []
        decisive: tuple[VerdictOutcome, str] | None = None
        reasons = []
        for criterion, expression in self._criteria:
            answer = expression.answer(known) if expression else Answer(None, UNREADABLE)
            reason = _reason(criterion, answer)
            inputs = expression.inputs(known) if expression else {}
            answers.append(_kept_answer(criterion, inputs, answer, reason))
            reasons.append(reason)
            if decisive is None and answer.value is not True:
                decisive = _decisive(criterion, answer)
        outcome, reason = decisive or (VerdictOutcome.ELIGIBLE, _joined(reasons))
        reason = fit(EligibilityVerdict, "reason", reason)
        return Verdict(outcome, reason, tuple(answers))


NOTHING_TO_MEET = Verdict(
    VerdictOutcome.ELIGIBLE, NO_CRITERIA, rule={"rule": "eligibility.no_criteria", "answer": True}
)


def _compiled(expression: str) -> Expression | None:
    """Return None for a stored expression that the compiler no longer accepts."""
    try:
        return compile_expression(expression)
    except ExpressionFault:
        return None


def _kept_answer(
    criterion: Criterion | CriterionDraft, inputs: dict[str, Any], answer: Answer, reason: str
) -> dict[str, Any]:
    return {
        "name": criterion.name,
        "expression": criterion.expression,
        "inputs": inputs,
        "answer": answer.value,
        "reason": reason,
    }


def _reason(criterion: Criterion | CriterionDraft, answer: Answer) -> str:
    if answer.value is None:
        return answer.problem
    return criterion.because if answer.value else criterion.otherwise


def _decisive(criterion: Criterion | CriterionDraft, answer: Answer) -> tuple[VerdictOutcome, str]:
    if answer.value is None:
        return VerdictOutcome.UNDECIDED, f"{criterion.name} could not be evaluated: {answer.problem}"
    return VerdictOutcome.INELIGIBLE, criterion.otherwise


def _joined(reasons: Sequence[str]) -> str:
    told = [reason for reason in dict.fromkeys(reasons) if reason]
    limit = EligibilityVerdict._meta.get_field("reason").max_length or 0
    return shorten_together(*told, separator="; ", limit=limit) if told else MEETS_ALL
