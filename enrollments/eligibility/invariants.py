"""The invariants of criteria and verdicts; `enrollments.invariants` passes them to the doctor."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.db.models import Exists, F, Max, OuterRef, Q

from core.invariants import Breach, Extent, Invariant

from ..models import Criterion, EligibilityVerdict, Enrollment, ProgramInstance
from ..states import VerdictOutcome
from .criteria import FIRST_VERSION


def criteria_are_of_a_version_that_was_counted(extent: Extent) -> Iterator[Breach]:
    """No set of criteria is newer than its instance's version, and the criteria of each set count 1, 2, 3 …

    The newest set may have no rows: an instance without criteria.
    """
    instances = extent.of(ProgramInstance.objects.all()).annotate(newest=Max("criteria__version"))
    newer = instances.filter(newest__gt=F("criteria_version")).values_list("pk", "criteria_version", "newest")
    for pk, version, newest in newer.iterator():
        yield Breach(
            f"program instance {pk}", f"goes by version {version} of its criteria, and there is a version {newest}"
        )
    sets = extent.of(Criterion.objects.all(), "instance__workspace").values("instance", "version")
    earlier = Criterion.objects.filter(
        instance=OuterRef("instance"), version=OuterRef("version"), position=OuterRef("position") - 1
    )
    gaps = sets.filter(Q(position__lt=1) | Q(position__gt=1) & ~Exists(earlier)).values_list("pk", "position")
    for pk, position in gaps.iterator():
        yield Breach(f"criterion {pk}", f"stands at position {position}, and none stands before it")


def verdicts_are_by_criteria_that_exist(extent: Extent) -> Iterator[Breach]:
    """A verdict names a version that its instance has had, and evaluated criteria that are still stored; an enrollment
    was last evaluated by such a version.
    """
    asked = Criterion.objects.filter(instance=OuterRef("enrollment__instance"), version=OuterRef("criteria_version"))
    never_was = Q(criteria_version__lt=FIRST_VERSION)
    never_was |= Q(criteria_version__gt=F("enrollment__instance__criteria_version"))
    is_gone = ~Q(answers=[]) & ~Q(Exists(asked))
    verdicts = extent.of(EligibilityVerdict.objects.all(), "enrollment__workspace").filter(never_was | is_gone)
    for pk, version in verdicts.values_list("pk", "criteria_version").iterator():
        yield Breach(f"eligibility verdict {pk}", f"is by version {version} of criteria that do not exist")
    ahead = extent.of(Enrollment.objects.all()).filter(criteria_version__gt=F("instance__criteria_version"))
    for pk, version in ahead.values_list("pk", "criteria_version").iterator():
        yield Breach(f"enrollment {pk}", f"was evaluated by version {version}, which its program instance has not had")


def verdicts_follow_from_their_answers(extent: Extent) -> Iterator[Breach]:
    """The first criterion that does not hold decides; verdicts without answers are a person's or had no criteria."""
    rows = extent.of(EligibilityVerdict.objects.all(), "enrollment__workspace")
    for pk, outcome, answers in rows.values_list("pk", "outcome", "answers").iterator():
        if outcome not in _outcomes_of(answers):
            yield Breach(
                f"eligibility verdict {pk}", f"is {outcome}, which does not follow from its {len(answers)} answers"
            )


def _outcomes_of(answers: Sequence[dict[str, Any]]) -> Sequence[str]:
    if not answers:
        return VerdictOutcome.ELIGIBLE, VerdictOutcome.INELIGIBLE
    decisive = next((answer["answer"] for answer in answers if answer["answer"] is not True), True)
    return (_OUTCOME_OF[decisive],)


_OUTCOME_OF = {
    True: VerdictOutcome.ELIGIBLE,
    False: VerdictOutcome.INELIGIBLE,
    None: VerdictOutcome.UNDECIDED,
}

INVARIANTS: tuple[Invariant, ...] = (
    criteria_are_of_a_version_that_was_counted,
    verdicts_are_by_criteria_that_exist,
    verdicts_follow_from_their_answers,
)
