"""Trying criteria before they apply: their verdict on a sample and on everybody enrolled. Nothing is written."""

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from core.errors import FieldError, Invalid

from ..models import Criterion, Enrollment, ProgramInstance
from ..states import EVALUATED, REFUSED, EligibilityStatus, VerdictOutcome
from .batch import judge_many
from .criteria import CriterionDraft, check_criteria
from .facts import describe_instance, today_of
from .faults import closest
from .variables import VARIABLES
from .verdicts import CriteriaSet, Verdict

TRIED_AT_MOST = 5_000  # the newest, when a person is waiting for the answer
LISTED = 100
_BATCH = 500


@dataclass(frozen=True, slots=True)
class Prospect:
    """What one enrollment would become, and why."""

    enrollment: Enrollment
    verdict: Verdict

    @property
    def status(self) -> str:
        return str(self.enrollment.eligibility_status)

    @property
    def would_be(self) -> str:
        """Return the status after an evaluation, or after reconsideration for those who were refused. A submitted or
        approved enrollment keeps its status: a person decides about it.
        """
        status = self.status
        if status in EVALUATED and self.verdict.is_decided:
            return str(self.verdict.outcome)
        if status in REFUSED and self.verdict.is_eligible:
            return str(EligibilityStatus.ELIGIBLE)
        return status

    @property
    def changes(self) -> bool:
        return self.would_be != self.status


@dataclass(slots=True)
class Trial:
    """The verdicts on current enrollments: `tried` of `total`, counted by outcome, the ones that would change first."""

    total: int
    tried: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    changed: Counter[tuple[str, str]] = field(default_factory=Counter)
    changing: list[Prospect] = field(default_factory=list)
    staying: list[Prospect] = field(default_factory=list)

    def add(self, prospect: Prospect) -> None:
        self.tried += 1
        self.outcomes[str(prospect.verdict.outcome)] += 1
        if prospect.changes:
            self.changed[(prospect.status, prospect.would_be)] += 1
        listed = self.changing if prospect.changes else self.staying
        if len(listed) < LISTED:
            listed.append(prospect)

    @property
    def prospects(self) -> list[Prospect]:
        return [*self.changing, *self.staying][:LISTED]

    @property
    def counts(self) -> dict[str, int]:
        return {str(outcome): self.outcomes[str(outcome)] for outcome in VerdictOutcome}


def try_criteria(
    *,
    instance: ProgramInstance,
    drafts: Sequence[CriterionDraft | Criterion],
    at_most: int | None = TRIED_AT_MOST,
    only_candidates: bool = False,
    among_workspace: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
    now: dt.datetime,
) -> Trial:
    """Return what each current enrollment of the instance would become under these criteria, the newest first. With
    `among_workspace`, it covers the enrollments of all instances of the workspace, as though they requested this one.

    Raises Invalid, naming the fields, for criteria that could not be saved.
    """
    criteria = CriteriaSet(_checked(drafts))
    rows = Enrollment.objects.current().filter(instance=instance)
    if among_workspace:
        rows = Enrollment.objects.current().filter(instance__workspace=instance.workspace_id)
    if only_candidates:
        rows = rows.filter(eligibility_status=EligibilityStatus.CANDIDATE)
    trial = Trial(total=rows.count())
    for batch in _batches(rows.select_related("learner", "lead"), at_most):
        for enrollment in batch:
            enrollment.instance = instance
        for enrollment, verdict in zip(batch, judge_many(batch, criteria=criteria, now=now), strict=True):
            trial.add(Prospect(enrollment, verdict))
        progress(trial.tried, trial.total)
    return trial


def try_sample(
    *,
    instance: ProgramInstance,
    drafts: Sequence[CriterionDraft],
    sample: Mapping[str, Any],
    now: dt.datetime,
) -> Verdict:
    """Return the verdict of these criteria on a person described by the sample. Raises Invalid for a name that no
    variable has, and for criteria that could not be saved.
    """
    unknown = [
        FieldError(f"sample.{name}", "unknown", f"There is no such variable{closest(name, VARIABLES)}.")
        for name in sample
        if name not in VARIABLES
    ]
    if unknown:
        raise Invalid(errors=tuple(unknown))
    given = {"today": today_of(instance, now), "programInstance": describe_instance(instance), **sample}
    return CriteriaSet(_checked(drafts)).judge(given)


def _checked(drafts: Sequence[CriterionDraft | Criterion]) -> Sequence[CriterionDraft | Criterion]:
    written = [draft for draft in drafts if isinstance(draft, CriterionDraft)]
    return check_criteria(written) if len(written) == len(drafts) else drafts


def _batches(rows: Any, at_most: int | None) -> Iterator[list[Enrollment]]:
    left = at_most
    before: int | None = None
    while left is None or left > 0:
        size = _BATCH if left is None else min(_BATCH, left)
        page = rows if before is None else rows.filter(pk__lt=before)
        batch = list(page.order_by("-pk")[:size])
        if not batch:
            return
        yield batch
        before = batch[-1].pk
        left = None if left is None else left - len(batch)
