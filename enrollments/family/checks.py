"""The newest verdict on an enrollment, retold for its family: what was asked, and how it stands."""

from dataclasses import dataclass

from ..models import EligibilityVerdict

OPEN = "could not be checked yet; somebody looks at it"


@dataclass(frozen=True, slots=True)
class Check:
    """One criterion in words: whether it is met, and None if that could not be found out."""

    is_met: bool | None
    sentence: str

    @property
    def label(self) -> str:
        if self.is_met is None:
            return "Open"
        return "Met" if self.is_met else "Not met"


def list_checks(verdict: EligibilityVerdict | None) -> list[Check]:
    """The criteria as the family reads them: the reasons that staff wrote for it, and no expressions and no inputs."""
    if verdict is None:
        return []
    return [_check(answer["name"], answer["answer"], answer["reason"]) for answer in verdict.answers]


def _check(name: str, answer: bool | None, reason: str) -> Check:
    if answer is None:
        return Check(None, f"{name} {OPEN}")
    return Check(answer, reason or name)
