"""The guided page to set up a course with classes, steps, cohort, and price, with a preview of what families see."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.contrib.auth.models import AnonymousUser
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.loader import render_to_string
from django.template.response import TemplateResponse
from django.urls import reverse

from accounts.models import Workspace
from accounts.roles import Power
from backoffice.auditing.recording import one_deed
from backoffice.display import admin_url, list_url, staff_moment
from backoffice.guided import CREATE, PREVIEW, choose_workspace, find_workspace, first, guided_url, read_act, seal
from backoffice.scoping import access_of, actor_of
from core.clock import utc_now
from core.errors import DomainError
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


def set_up(model_admin: Any, request: HttpRequest) -> HttpResponse:
    """Show the page and handle its buttons."""
    model = _find_model(request)
    workspace = model.instance.workspace if model else find_workspace(request, power=Power.MANAGE)
    if workspace is None:
        return choose_workspace(model_admin, request, title="New course", power=Power.MANAGE, to=course_setup_url)
    if request.method != "POST":
        now = utc_now()
        texts = CourseTexts.like(model, now=now) if model else CourseTexts.blank(workspace, now=now)
        return _page(model_admin, request, _form(request, workspace, texts))
    texts = CourseTexts.read(workspace, request.POST)
    act = request.POST.get("act", PREVIEW)
    verb, name, number = read_act(act)
    if verb in ("skip", "teach"):
        texts.toggle_week(name)
    elif act not in (PREVIEW, CREATE):
        _change(texts, request, verb, name, number)
        return _page(model_admin, request, _form(request, workspace, texts))
    return _answer(model_admin, request, workspace, texts, is_wanted=act == CREATE)


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


def _change(texts: CourseTexts, request: HttpRequest, verb: str, name: str, number: int) -> None:
    if verb == "weeks":
        texts.set_weeks(request.POST.get("weeks", ""))
    elif verb == "use":
        key = parse_whole_number(request.POST.get("use", ""))
        if key and GroupClass.objects.filter(workspace=texts.workspace, pk=key).exists():
            texts.use(key)
    elif (verb, name) == ("add", "classes"):
        texts.add_class()
    elif (verb, name) == ("add", "steps"):
        texts.add_step()
    elif name in ("classes", "steps"):
        (texts.classes if name == "classes" else texts.steps).change(verb, number)
        texts.number_weeks()


def _form(request: HttpRequest, workspace: Workspace, texts: CourseTexts, *, is_sent: bool = False) -> CourseForm:
    named = [parse_whole_number(first(row, "known")) for row in texts.classes.rows]
    known = GroupClass.objects.filter(workspace=workspace, pk__in=[key for key in named if key])
    data = (request.POST,) if is_sent else ()
    return CourseForm(*data, texts=texts, known={each.pk: each for each in known}, request=request, row=workspace)


def _answer(
    model_admin: Any, request: HttpRequest, workspace: Workspace, texts: CourseTexts, *, is_wanted: bool
) -> HttpResponse:
    """Show what would be created; create it only if this preview was already shown and the form is unchanged."""
    form = _form(request, workspace, texts, is_sent=True)
    if not form.is_valid():
        return _page(model_admin, request, form)
    plan = form.plan()
    foreseen = None
    try:
        if is_wanted and request.POST.get("seen") == seal(plan):
            return _create(model_admin, request, workspace, plan)
        foreseen = _foresee(request, workspace, plan)
    except ProgramExists as refusal:
        form.add_error("code", refusal.detail)
    except DomainError as refusal:
        form.show(refusal)
    else:
        if is_wanted:
            form.add_error(None, "Something has changed since the preview. Look at it again, then create the course.")
    return _page(model_admin, request, form, foreseen=foreseen, seen=seal(plan))


def _create(model_admin: Any, request: HttpRequest, workspace: Workspace, plan: CoursePlan) -> HttpResponse:
    with one_deed(request):
        cohort = set_up_course(workspace_id=workspace.pk, plan=plan, actor=actor_of(request), now=utc_now())
        program = cohort.instance.program
        model_admin.admin_site.get_model_admin(Program).log_addition(request, program, f"Set up with {cohort}")
        model_admin.log_addition(request, cohort, "Set up with its course")
    messages.success(
        request,
        f"{cohort.instance.program} is set up: {len(plan.steps)} steps, {cohort.sessions.count()} sessions. "
        "Look at it, then press Open: families can enroll from then on.",
    )
    return HttpResponseRedirect(admin_url(cohort))


def _foresee(request: HttpRequest, workspace: Workspace, plan: CoursePlan) -> Foreseen:
    now = utc_now()
    actor = actor_of(request)
    return rehearse(
        lambda: set_up_course(workspace_id=workspace.pk, plan=plan, actor=actor, now=now),
        look=lambda cohort: _look(request, plan, cohort, now),
    )


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


def _page(
    model_admin: Any, request: HttpRequest, form: CourseForm, *, foreseen: Foreseen | None = None, seen: str = ""
) -> HttpResponse:
    workspace = form.row
    texts = form.texts
    unused = GroupClass.objects.filter(workspace=workspace).exclude(pk__in=form.known).order_by("name", "pk")
    context = {
        **model_admin.admin_site.each_context(request),
        "title": "New course",
        "opts": model_admin.opts,
        "workspace": workspace,
        "form": form,
        "course_fields": [form[name] for name in COURSE],
        "cohort_fields": [form[name] for name in COHORT],
        "money_fields": [form[name] for name in MONEY],
        "sections": form.sections,
        "known_classes": [(each.pk, f"{each}: {weekly_time(each)}") for each in unused[:CLASSES_OFFERED]],
        "off": texts.off,
        "foreseen": foreseen,
        "seen": seen,
        "may_add": {"classes": not texts.classes.is_full, "steps": not texts.steps.is_full},
        "here": request.get_full_path(),
        "cancel_url": list_url(Cohort),
        "media": model_admin.media + form.media,
    }
    status = 422 if form.is_bound and form.errors else 200
    return TemplateResponse(request, "admin/cohorts/course.html", context, status=status)
