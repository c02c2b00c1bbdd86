"""The booking wizard: a class for each step that has none yet, chosen now or later."""

import datetime as dt
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.text import get_text_list
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from accounts.family_pages import for_families
from accounts.models import User
from billing.outcomes import Purchase
from core.clock import utc_now
from core.errors import DomainError
from core.http.zones import zone_of
from core.numbers import parse_whole_number

from ..errors import PackageNotFound
from ..learning.booking import Selection, book_sessions
from ..models import CohortSession, CourseStep, StepProgress, StudentPackage
from ..queries import get_package_for, unbooked_steps
from ..states import StepStatus


@dataclass(frozen=True, slots=True)
class Choice:
    """A step that waits to be booked, with the sessions to choose from."""

    step: CourseStep
    sessions: list[CohortSession]
    chosen: int | None  # an option's id
    trouble: str

    @property
    def field(self) -> str:
        return field_of(self.step.pk)

    @property
    def has_seats(self) -> bool:
        return any(session.class_session.has_room for session in self.sessions)


@require_http_methods(["GET", "HEAD", "POST"])
@for_families
def book(request: HttpRequest, user: User, package_id: int) -> HttpResponse:
    """Show the wizard opened from the dashboard, and confirm every wizard."""
    if request.method != "POST":
        return render_wizard(request, user, package_id=package_id)
    package = package_or_404(user, package_id)
    chosen = _chosen(request, package)
    if not chosen:
        problem = _("Choose a class for at least one step, or book later.")
        return render_wizard(request, user, package_id=package_id, problem=problem, status=422)
    try:
        booked = book_sessions(
            package_id=package.pk,
            selections=[Selection(step, option) for step, option in chosen.items()],
            now=utc_now(),
        )
    except PackageNotFound as error:
        raise Http404 from error
    except DomainError as refusal:
        return render_wizard(
            request, user, package_id=package_id, chosen=chosen, refusal=refusal, status=max(refusal.status, 409)
        )
    count = len(booked.booked)
    messages.success(
        request, ngettext("Your session is booked.", "Your %(count)s sessions are booked.", count) % {"count": count}
    )
    return redirect("my-enrollment", cuid=package.enrollment.cuid)


def render_wizard(
    request: HttpRequest,
    user: User,
    *,
    package_id: int,
    purchase: Purchase | None = None,
    chosen: dict[int, int] | None = None,
    problem: str = "",
    refusal: DomainError | None = None,
    status: int = 200,
) -> HttpResponse:
    """Show the choices that are open now; after a refusal, with the chosen ones and the problem next to its step."""
    package = package_or_404(user, package_id)
    now = utc_now()
    rows = list(package.progress.all())
    in_trouble: tuple[int, ...] = getattr(refusal, "step_ids", ())
    choices = [
        Choice(
            step=step,
            sessions=sessions,
            chosen=(chosen or {}).get(step.pk, sessions[0].option_id if len(sessions) == 1 else None),
            trouble=refusal.detail if refusal and step.pk in in_trouble else "",
        )
        for step, sessions in unbooked_steps(package, now=now)
    ]
    offered = {choice.step.pk for choice in choices}
    context = {
        "package": package,
        "purchase": purchase,
        "choices": choices,
        "booked": [row for row in rows if row.status == StepStatus.BOOKED],
        "is_booked": all(row.status == StepStatus.BOOKED for row in rows),
        "dateless": [row.step for row in rows if row.status == StepStatus.UNBOOKED and row.step_id not in offered],
        "problem": problem or _summary(refusal, choices),
        "zone": zone_of(request) or ZoneInfo(package.cohort.timezone),
        "local": zone_of(request) is not None,
        "now": now,
    }
    return render(request, "cohorts/wizard.html", context, status=status)


def package_or_404(user: User, package_id: int) -> StudentPackage:
    """Return one of the person's packages."""
    try:
        return get_package_for(user=user, package_id=package_id)
    except PackageNotFound as error:
        raise Http404 from error


def field_of(step_id: int) -> str:
    """Return the name of a step's radio buttons in the form."""
    return f"step-{step_id}"


def may_change(row: StepProgress, *, limit: dt.datetime) -> bool:
    """Return whether a booked session starts late enough to be changed."""
    return row.status == StepStatus.BOOKED and row.class_session is not None and row.class_session.starts_at >= limit


def _chosen(request: HttpRequest, package: StudentPackage) -> dict[int, int]:
    """Return option id by step id, for the package's steps that were answered with a number."""
    answers = {row.step_id: request.POST.get(field_of(row.step_id), "") for row in package.progress.all()}
    numbers = {step: parse_whole_number(answer) for step, answer in answers.items()}
    return {step: option for step, option in numbers.items() if option is not None}


def _summary(refusal: DomainError | None, choices: list[Choice]) -> str:
    if refusal is None:
        return ""
    labels = [choice.step.label for choice in choices if choice.trouble]
    told = _("Nothing was booked yet. %(why)s") % {"why": refusal.detail}
    if not labels:
        return told
    return told + " " + _("Please look at %(steps)s.") % {"steps": get_text_list(labels, _("and"))}
