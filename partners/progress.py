"""The progress of a family's learners with their partners, in words that need no glossary."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from django.contrib.humanize.templatetags.humanize import apnumber
from django.db.models import Exists, OuterRef, Prefetch
from django.utils.translation import gettext as _

from accounts.families import learners_of
from accounts.models import Learner, User
from enrollments.models import Enrollment
from enrollments.states import FUNDED, ParticipationStatus

from .groups import are_satisfied, is_satisfied, steps_needed
from .models import Certificate, EnrollmentStep
from .states import ACTIVE, DONE, Adapter, GroupRule, PartnerStepStatus, Revocation
from .stuck import Turn, whose_turn

ENROLLMENTS_SHOWN = 200
MARKS = {
    PartnerStepStatus.PENDING: "ahead",
    PartnerStepStatus.COMPLETED: "done",
    PartnerStepStatus.SKIPPED: "done",
    PartnerStepStatus.WITHDRAWN: "dropped",
    **dict.fromkeys(ACTIVE, "current"),
}


@dataclass(frozen=True, slots=True)
class StepView:
    """One course at one partner: its mark, its description, and where to take it."""

    row: EnrollmentStep
    badge: str
    tone: str
    sentence: str
    is_first_current: bool

    @property
    def mark(self) -> str:
        return MARKS[PartnerStepStatus(self.row.status)]

    @property
    def is_open(self) -> bool:
        return self.row.status in (*ACTIVE, PartnerStepStatus.PENDING)

    @property
    def launch_url(self) -> str:
        return self.row.launch_url if self.row.status == PartnerStepStatus.IN_PROGRESS else ""


@dataclass(frozen=True, slots=True)
class GroupView:
    """Steps that belong together, with the rule for completing them; a single step needs no rule."""

    name: str
    rule: str
    steps: list[StepView]


@dataclass(frozen=True, slots=True)
class EnrollmentProgress:
    """One enrollment's progress. `done` of `total` counts what is needed: two of three, if two are enough."""

    enrollment: Enrollment
    groups: list[GroupView]
    done: int
    total: int
    badge: str
    tone: str
    summary: str
    certificate: Certificate | None  # a valid one


@dataclass(frozen=True, slots=True)
class LearnerProgress:
    learner: Learner
    enrollments: list[EnrollmentProgress]


def list_progress(*, user: User) -> list[LearnerProgress]:
    """Return the learners this person may act for who have partner steps, each with their enrollments, newest first.

    At most ENROLLMENTS_SHOWN; a constant number of queries, however many steps there are.
    """
    steps = EnrollmentStep.objects.current()
    rows = (
        Enrollment.objects.kept()
        .filter(Exists(steps.filter(enrollment=OuterRef("pk"))), learner__in=learners_of(user).values("pk"))
        .select_related("instance__program", "learner", "workspace")
        .prefetch_related(
            Prefetch(
                "partner_steps", steps.select_related("item__group", "provider").order_by("sequence_order"), "way"
            ),
            Prefetch("certificates", Certificate.objects.order_by("-pk"), "papers"),
        )
        .order_by("-pk")[:ENROLLMENTS_SHOWN]
    )
    people = sorted(rows, key=lambda enrollment: (str(enrollment.learner), enrollment.learner_id))
    return [
        LearnerProgress(learner, [view_progress(enrollment) for enrollment in enrollments])
        for learner, enrollments in groupby(people, key=lambda enrollment: enrollment.learner)
        if learner is not None
    ]


def view_progress(enrollment: Enrollment) -> EnrollmentProgress:
    """View an enrollment that was read with its steps (`way`) and its certificates (`papers`)."""
    way: list[EnrollmentStep] = enrollment.way  # type: ignore[attr-defined]
    latest: Certificate | None = next(iter(enrollment.papers), None)  # type: ignore[attr-defined]
    groups = [list(steps) for _key, steps in groupby(way, key=lambda step: step.item.group_id)]
    badge, tone = _badge_of(enrollment)
    current = next((step.pk for step in way if step.status in ACTIVE), None)
    return EnrollmentProgress(
        enrollment=enrollment,
        groups=[_view_group(enrollment, steps, current) for steps in groups],
        done=sum(min(_count_done(steps), steps_needed(steps)) for steps in groups),
        total=sum(steps_needed(steps) for steps in groups),
        badge=badge,
        tone=tone,
        summary=_summarize(enrollment, latest, is_whole=are_satisfied(way)),
        certificate=latest if latest is not None and latest.is_live else None,
    )


def _count_done(steps: Sequence[EnrollmentStep]) -> int:
    return sum(step.status in DONE for step in steps)


def _badge_of(enrollment: Enrollment) -> tuple[str, str]:
    match enrollment.participation_status:
        case ParticipationStatus.COMPLETED:
            return _("Completed"), "good"
        case ParticipationStatus.WITHDRAWN:
            return _("Ended"), "calm"
    return _("Under way"), "info"


def _summarize(enrollment: Enrollment, latest: Certificate | None, *, is_whole: bool) -> str:
    """Describe the way as a whole; while it continues, its steps describe it."""
    names = {"name": enrollment.person.first_name, "workspace": enrollment.workspace.name}
    if enrollment.participation_status == ParticipationStatus.WITHDRAWN:
        return _("%(name)s has left this program. What was completed here stays on record.") % names
    if enrollment.participation_status != ParticipationStatus.COMPLETED:
        return ""
    if not is_whole:
        return _("The program is over. The steps that were not completed are not needed any more.")
    if latest is not None and latest.is_live:
        return _("Well done! %(name)s has completed the program, and the certificate is ready.") % names
    if latest is not None and latest.revocation == Revocation.WITHDRAWN:
        return _("%(workspace)s has withdrawn the certificate. Ask there why.") % names
    if enrollment.payment_status not in FUNDED:
        return _("%(name)s has completed the program. The certificate comes as soon as it is paid for.") % names
    return _("Well done! %(name)s has completed the program.") % names


def _view_group(enrollment: Enrollment, steps: list[EnrollmentStep], current: int | None) -> GroupView:
    is_enough = is_satisfied(steps)
    views = []
    for step in steps:
        badge, tone = _badge_of_step(step)
        sentence = _describe(step, name=enrollment.person.first_name, is_enough=is_enough)
        views.append(StepView(step, badge, tone, sentence, is_first_current=step.pk == current))
    return GroupView(steps[0].item.group.name, _rule_of(steps), views)


def _rule_of(steps: Sequence[EnrollmentStep]) -> str:
    if len(steps) == 1:
        return ""
    is_pair = len(steps) == 2
    numbers = {"needed": apnumber(steps_needed(steps)), "count": apnumber(len(steps))}
    match steps[0].item.group.rule:
        case GroupRule.ALL_IN_ORDER:
            return _("Both, one after the other") if is_pair else _("All %(count)s, one after another") % numbers
        case GroupRule.ALL_ANY_ORDER:
            return _("Both, in any order") if is_pair else _("All %(count)s, in any order") % numbers
    return _("Any %(needed)s of these %(count)s") % numbers


def _badge_of_step(step: EnrollmentStep) -> tuple[str, str]:
    match step.status:
        case PartnerStepStatus.COMPLETED:
            return _("Completed"), "good"
        case PartnerStepStatus.SKIPPED:
            return _("Counted as done"), "good"
        case PartnerStepStatus.WITHDRAWN:
            return _("Not needed"), "calm"
        case PartnerStepStatus.IN_PROGRESS:
            return _("In progress"), "info"
        case PartnerStepStatus.QUEUED:
            return _("Being arranged"), "info"
        case PartnerStepStatus.FAILED:
            return _("We are looking into it"), "info"
    return _("Later"), "calm"


def _describe(step: EnrollmentStep, *, name: str, is_enough: bool) -> str:
    """Say whose turn it is and what they have to do, or how it ended."""
    names = {"name": name, "partner": step.provider.name, "percent": step.progress}
    match whose_turn(step):
        case Turn.LEARNER:
            return _describe_course(step, is_enough=is_enough) % names
        case Turn.PARTNER:
            return _("It is %(partner)s's turn: it is enrolling %(name)s. There is nothing for you to do.") % names
        case Turn.US:
            return _describe_our_turn(step) % names
    match step.status:
        case PartnerStepStatus.SKIPPED:
            return _("The program counts this step as done.")
        case PartnerStepStatus.WITHDRAWN if is_enough:
            return _("Enough other courses of this group are done.")
        case PartnerStepStatus.WITHDRAWN:
            return _("It is no longer part of the way.")
        case PartnerStepStatus.PENDING:
            return _("Its turn comes after the steps before it.")
    return ""


def _describe_course(step: EnrollmentStep, *, is_enough: bool) -> str:
    if is_enough:
        return _("Enough other courses of this group are done. %(name)s may still finish this one.")
    if not step.launch_url:
        return _("It is %(name)s's turn: %(partner)s will tell how to get to the course.")
    if step.progress:
        return _("It is %(name)s's turn: continue the course. %(percent)s%% of it is done.")
    return _("It is %(name)s's turn: start the course.")


def _describe_our_turn(step: EnrollmentStep) -> str:
    if step.status == PartnerStepStatus.FAILED:
        return _(
            "It is our turn: something went wrong between %(partner)s and us, and we are looking into it. "
            "There is nothing for you to do, and nothing is lost."
        )
    if step.provider.adapter == Adapter.MANUAL:
        return _("It is our turn: we are enrolling %(name)s at %(partner)s. There is nothing for you to do.")
    return _(
        "%(partner)s is taking a break. We will enroll %(name)s as soon as it is back; there is nothing for you to do."
    )
