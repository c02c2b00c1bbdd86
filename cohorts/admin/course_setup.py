"""The guided page to set up a course with classes, steps, cohort, and price, with a preview of what families see."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.auth.models import AnonymousUser
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.urls import reverse

from accounts.models import Workspace
from accounts.roles import Power
from backoffice.auditing.recording import one_deed
from backoffice.display import admin_url, list_url, staff_moment
from backoffice.guided import GuidedPage, first, guided_url
from backoffice.scoping import access_of, actor_of
from core.clock import utc_now
from core.numbers import parse_whole_number
from core.rehearsal import rehearse
from core.time_words import day, term
from enrollments.errors import ProgramExists
from enrollments.models import Program
from enrollments.refund_rules import find_policies

from ..course.scheduling import clock_notes
from ..course.setup import CoursePlan, Week, list_weeks, set_up_course
from ..course_page import course_context, view_cohort
from ..models import Cohort, GroupClass
from ..queries import with_course_page
from ..sale.readiness import find_gaps
from .course_form import COHORT, COURSE, MONEY, CourseForm, CourseTexts
from .display import meeting_time, weekly_time

CLASSES_OFFERED = 200


@dataclass(frozen=True, slots=True)
class Line:
    """A week in the preview."""

    first_day: str  # as the button submits it
    title: str
    meets: tuple[str, ...]
    is_off: bool


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What creating the course would produce."""

    facts: tuple[tuple[str, str], ...]
    lines: tuple[Line, ...]
    notes: tuple[str, ...]
    gaps: tuple[str, ...]
    page: str  # the public page as families will see it


def course_setup_url(**query: object) -> str:
    return guided_url("admin:cohorts_cohort_course", **query)


class CoursePage(GuidedPage):
    """The page and its buttons. It can start from a copy of another course."""

    noun = "course"
    template = "admin/cohorts/course.html"
    fields_of = {ProgramExists: "code"}

    def __init__(self, model_admin: Any, request: HttpRequest) -> None:
        super().__init__(model_admin, request)
        self.model = _find_model(request)

    def find_workspace(self) -> Workspace | None:
        return self.model.instance.workspace if self.model else super().find_workspace()

    def address(self, **query: object) -> str:
        return course_setup_url(**query)

    def begin(self, workspace: Workspace) -> CourseTexts:
        now = utc_now()
        return CourseTexts.like(self.model, now=now) if self.model else CourseTexts.blank(workspace, now=now)

    def read(self, workspace: Workspace) -> CourseTexts:
        return CourseTexts.read(workspace, self.request.POST)

    def change(self, texts: CourseTexts, verb: str, name: str, number: int) -> bool:
        sent = self.request.POST
        if verb in ("skip", "teach"):
            texts.toggle_week(name)
            return True
        if verb == "weeks":
            texts.set_weeks(sent.get("weeks", ""))
        elif verb == "use":
            key = parse_whole_number(sent.get("use", ""))
            if key and GroupClass.objects.filter(workspace=texts.workspace, pk=key).exists():
                texts.use(key)
        elif (verb, name) == ("add", "classes"):
            texts.add_class()
        elif (verb, name) == ("add", "steps"):
            texts.add_step()
        elif name in ("classes", "steps"):
            (texts.classes if name == "classes" else texts.steps).change(verb, number)
            texts.number_weeks()
        return False

    def ask(self, workspace: Workspace, texts: CourseTexts, *, is_sent: bool = False) -> CourseForm:
        named = [parse_whole_number(first(row, "known")) for row in texts.classes.rows]
        known = GroupClass.objects.filter(workspace=workspace, pk__in=[key for key in named if key])
        data = (self.request.POST,) if is_sent else ()
        return CourseForm(
            *data, texts=texts, known={each.pk: each for each in known}, request=self.request, row=workspace
        )

    def foresee(self, workspace: Workspace, plan: CoursePlan) -> Foreseen:
        now = utc_now()
        actor = actor_of(self.request)
        return rehearse(
            lambda: set_up_course(workspace_id=workspace.pk, plan=plan, actor=actor, now=now),
            look=lambda cohort: _look(self.request, plan, cohort, now),
        )

    def create(self, workspace: Workspace, plan: CoursePlan) -> HttpResponse:
        request = self.request
        with one_deed(request):
            cohort = set_up_course(workspace_id=workspace.pk, plan=plan, actor=actor_of(request), now=utc_now())
            program = cohort.instance.program
            programs = self.model_admin.admin_site.get_model_admin(Program)
            programs.log_addition(request, program, f"Set up with {cohort}")
            self.model_admin.log_addition(request, cohort, "Set up with its course")
        messages.success(
            request,
            f"{cohort.instance.program} is set up: {len(plan.steps)} steps, {cohort.sessions.count()} sessions. "
            "Look at it, then press Open: families can enroll from then on.",
        )
        return HttpResponseRedirect(admin_url(cohort))

    def describe(self, form: CourseForm) -> dict[str, Any]:
        texts = form.texts
        unused = GroupClass.objects.filter(workspace=form.row).exclude(pk__in=form.known).order_by("name", "pk")
        return {
            "course_fields": [form[name] for name in COURSE],
            "cohort_fields": [form[name] for name in COHORT],
            "money_fields": [form[name] for name in MONEY],
            "known_classes": [(each.pk, f"{each}: {weekly_time(each)}") for each in unused[:CLASSES_OFFERED]],
            "off": texts.off,
            "may_add": {"classes": not texts.classes.is_full, "steps": not texts.steps.is_full},
            "cancel_url": list_url(Cohort),
        }


def _find_model(request: HttpRequest) -> Cohort | None:
    """Return the cohort whose course is copied, if the URL names one. Raises Http404."""
    told = request.GET.get("like")
    if told is None:
        return None
    key = parse_whole_number(told)
    mine = access_of(request).limit(Cohort.objects.all(), path="instance__workspace", power=Power.MANAGE)
    related = mine.select_related("instance__workspace", "instance__program__workspace", "instance__price")
    model = related.filter(pk=key).first() if key else None
    if model is None:
        raise Http404("There is no such cohort.")
    return model


def _look(request: HttpRequest, plan: CoursePlan, cohort: Cohort, now: dt.datetime) -> Foreseen:
    program = cohort.instance.program
    scheduled = cohort.sessions.select_related("cohort", "step", "option__group_class")
    notes = clock_notes(scheduled.order_by("step__order", "pk"), days_off=plan.days_off)
    gaps = find_gaps(cohort=cohort, now=now)
    return Foreseen(
        facts=(
            ("Address in the catalog", reverse("course", args=[program.code]) if program.listed else "not listed"),
            ("Cohort", f"{cohort}, {term(cohort.start_date, cohort.end_date)}"),
            ("Enroll until", staff_moment(plan.deadline, plan.timezone)),
            ("Places", f"{cohort.max_enrollment:,}"),
            ("Price", str(plan.price)),
        ),
        lines=tuple(_line(week) for week in list_weeks(plan, cohort)),
        notes=tuple(notes[:10]),
        gaps=tuple(gap.text for gap in gaps),
        page=_public_page(request, cohort, now),
    )


def _line(week: Week) -> Line:
    title = str(week.step) if week.step else "No classes"
    meets = tuple(f"{row.class_session.group_class}: {meeting_time(row.class_session)}" for row in week.sessions)
    return Line(week.first_day.isoformat(), f"{day(week.first_day)}: {title}", meets, week.is_off)


def _public_page(request: HttpRequest, made: Cohort, now: dt.datetime) -> str:
    """Return the course page as an anonymous visitor sees it once the cohort is open."""
    cohort = with_course_page(Cohort.objects.filter(pk=made.pk)).get()
    cohort.is_active = True
    policy = find_policies([cohort.instance], at=now).get(cohort.instance_id)
    view = view_cohort(cohort, zone=None, ties=[], policy=policy, now=now)
    context = course_context(cohort.instance.program, [view], local=False, now=now)
    visitor = {"user": AnonymousUser(), "messages": (), "page": None}
    return render_to_string("admin/cohorts/course_picture.html", {**context, **visitor}, request=request)
