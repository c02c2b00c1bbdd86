"""The newest verdict on an enrollment in words for its family: what was checked, and how it turned out."""

from dataclasses import dataclass

from django.utils.translation import gettext as _

from ..models import EligibilityVerdict
from ..states import VerdictOutcome


@dataclass(frozen=True, slots=True)
class Check:
    """One criterion in words, and whether it is met; None if that could not be determined."""

    is_met: bool | None
    sentence: str

    @property
    def label(self) -> str:
        if self.is_met is None:
            return _("Open")
        return _("Met") if self.is_met else _("Not met")


def list_checks(verdict: EligibilityVerdict | None) -> list[Check]:
    """Return the criteria in the words that staff wrote for families, without expressions and inputs."""
    if verdict is None:
        return []
    is_asked = verdict.outcome == VerdictOutcome.UNDECIDED
    return [_check(answer["name"], answer["answer"], answer["reason"], is_asked=is_asked) for answer in verdict.answers]


def _check(name: str, answer: bool | None, reason: str, *, is_asked: bool) -> Check:
    """Staff are asked only about a verdict that is undecided (`is_asked`)."""
    if answer is not None:
        return Check(answer, reason or name)
    if is_asked:
        return Check(None, _("%(criterion)s could not be checked yet; somebody looks at it") % {"criterion": name})
    return Check(None, _("%(criterion)s could not be checked") % {"criterion": name})
