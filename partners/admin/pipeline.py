"""The page that shows the progress of learners at each partner."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from accounts.models import Workspace
from accounts.roles import Power
from backoffice.display import admin_url, list_url
from backoffice.scoping import access_of
from core.clock import utc_now
from core.numbers import counted

from ..models import EnrollmentStep, Provider
from ..pipeline import PartnerFigures, pipelines_of
from ..states import PartnerStepStatus
from ..stuck import StuckStep, Turn

STUCK_ON_PAGE = 10
TURNS = {Turn.LEARNER: "the learner", Turn.PARTNER: "the partner", Turn.US: "us"}
SENTENCES = {
    Turn.LEARNER: "It is the learner's turn.",
    Turn.PARTNER: "It is the partner's turn.",
    Turn.US: "It is our turn.",
}
# The parts of a partner's bar, and how they look.
PARTS = (
    ("completed", "Completed", "approved"),
    ("in_progress", "In progress", "active"),
    ("pending", "Pending", "candidate"),
    ("failed", "Failed", "rejected"),
    ("skipped", "Skipped", "submitted"),
)
# The statuses in a figure that has a name of its own.
COUNTED_AS = {"pending": (PartnerStepStatus.PENDING, PartnerStepStatus.QUEUED)}


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a partner's bar."""

    label: str
    tone: str
    count: int
    share: int  # percent of all steps at this partner
    url: str


@dataclass(frozen=True, slots=True)
class StuckRow:
    """A learner who is stuck, with what staff need in order to act."""

    title: str
    url: str
    days: str
    turn: str
    contact: str
    error: str


@dataclass(frozen=True, slots=True)
class PartnerRow:
    """One partner's figures as the page shows them."""

    figures: PartnerFigures
    url: str
    parts: list[Part]
    stuck: list[StuckRow]
    stuck_url: str
    trend: str

    @property
    def completion(self) -> str:
        return _percent(self.figures.completion_rate)

    @property
    def drop_off(self) -> str:
        return _percent(self.figures.drop_off_rate)


def pipeline_context(request: HttpRequest) -> dict[str, Any]:
    """Return what the page shows: the workspaces that this person may see, and the partners in each."""
    workspaces = access_of(request).limit(Workspace.objects.order_by("slug"), path="id", power=Power.VIEW)
    with_partners = list(workspaces.filter(pk__in=Provider.objects.values("workspace")))
    figures = pipelines_of(workspace_ids=[each.pk for each in with_partners], now=utc_now())
    found = [(each, [_row(one) for one in figures[each.pk]]) for each in with_partners]
    return {"title": "Partner pipeline", "workspaces": found, "is_single": workspaces.count() == 1}


def _row(figures: PartnerFigures) -> PartnerRow:
    provider = figures.provider
    total = sum(getattr(figures, name) for name, _, _ in PARTS) or 1
    parts = [
        Part(label, tone, count, round(100 * count / total), _steps_url(provider.pk, name))
        for name, label, tone in PARTS
        if (count := getattr(figures, name))
    ]
    return PartnerRow(
        figures=figures,
        url=admin_url(provider),
        parts=parts,
        stuck=[_stuck_row(each) for each in figures.stuck[:STUCK_ON_PAGE]],
        stuck_url=f"{list_url(EnrollmentStep)}?stuck=yes&provider__id__exact={provider.pk}",
        trend=_trend(figures.lately, figures.before),
    )


def _steps_url(provider_id: int, figure: str) -> str:
    statuses = ",".join(status for status in COUNTED_AS.get(figure, (figure,)))
    return f"{list_url(EnrollmentStep)}?status__in={statuses}&provider__id__exact={provider_id}"


def _stuck_row(found: StuckStep) -> StuckRow:
    step = found.step
    person = step.enrollment.person
    contact = step.provider.contact_email if found.turn == Turn.PARTNER else person.email
    return StuckRow(
        title=f"{person}, step {step.sequence_order}",
        url=admin_url(step),
        days=counted(found.days, "day"),
        turn=SENTENCES[found.turn] if found.turn else "",
        contact=contact,
        error=step.last_error,
    )


def _trend(lately: int, before: int) -> str:
    """Compare the completions of the last four weeks with those of the four weeks before."""
    if lately == before:
        return "as many as in the 4 weeks before"
    direction = "more" if lately > before else "fewer"
    return f"{abs(lately - before):,} {direction} than in the 4 weeks before"


def _percent(rate: float | None) -> str:
    return "—" if rate is None else f"{rate:.0%}"
