"""The newest verdict on an enrollment, retold for its family: what was asked, and how it stands."""

from dataclasses import dataclass

from django.utils.translation import gettext as _

from ..models import EligibilityVerdict


@dataclass(frozen=True, slots=True)
class Check:
    """One criterion in words: whether it is met, and None if that could not be found out."""

    is_met: bool | None
    sentence: str

    @property
    def label(self) -> str:
        if self.is_met is None:
            return _("Open")
        return _("Met") if self.is_met else _("Not met")


def list_checks(verdict: EligibilityVerdict | None) -> list[Check]:
    """The criteria as the family reads them: the reasons that staff wrote for it, and no expressions and no inputs."""
    if verdict is None:
        return []
    return [_check(answer["name"], answer["answer"], answer["reason"]) for answer in verdict.answers]


def _check(name: str, answer: bool | None, reason: str) -> Check:
    if answer is None:
        return Check(None, _("%(criterion)s could not be checked yet; somebody looks at it") % {"criterion": name})
    return Check(answer, reason or name)
