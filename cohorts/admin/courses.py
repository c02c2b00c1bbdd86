"""Building a course: its steps on the program's page, a step's classes on the step's page, and the classes."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db import transaction
from django.db.models import Count, Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.widgets import UnfoldAdminURLInputWidget

from accounts.roles import Power
from backoffice.actions import StaffForm, staff_action
from backoffice.display import NOTHING, Card, link, link_column, list_url, neighbor, neighbors_of
from backoffice.inlines import ScopedInline, WorkspaceFormSet
from backoffice.previews import Preview
from backoffice.scoping import ScopedRelatedFilter, WorkspaceScopedAdmin, actor_of, inline_of
from backoffice.timezones import TimezoneForm, offer_zones
from core.actors import Actor
from core.clock import utc_now
from core.numbers import counted
from core.time_words import clock, day
from enrollments.models import Program

from ..course.curriculum import add_step, remove_step, save_step
from ..course.replanning import change_class_zone, plan_class_zone
from ..course.scheduling import change_class
from ..models import ClassSession, Cohort, CourseStep, CourseStepOption, GroupClass
from .display import meeting_time, place_bar, seat_bar, weekly_time
from .previews import foresee_removed_step


class StepFormSet(WorkspaceFormSet):
    actor: Actor  # who edits; the inline sets it

    def save_new(self, form: Any, commit: bool = True) -> CourseStep:
        """Add the new step to the packages that were already sold."""
        step: CourseStep = super().save_new(form, commit=False)
        return add_step(step=step) if commit else step

    def save_existing(self, form: Any, obj: Any, commit: bool = True) -> CourseStep:
        """Save the step; if it is no longer required, that may complete somebody's course."""
        step: CourseStep = super().save_existing(form, obj, commit=False)
        return save_step(step=step, actor=self.actor, now=utc_now()) if commit else step


@inline_of(Program)
class StepInline(ScopedInline):
    """The steps that make a program a course. Each step's own page has its classes and the button to remove it."""

    model = CourseStep
    formset = StepFormSet
    add_power = Power.MANAGE
    change_power = Power.MANAGE
    verbose_name = "step"
    verbose_name_plural = "Course steps"
    empty = "None, so the program is not a course: learners book no sessions."
    empty_help = "Add the first step here to make it one."
    fields = ("order", "label", "title", "required", "offered_in")
    readonly_fields = ("offered_in",)
    ordering = ("order",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        steps: QuerySet[Any] = super().get_queryset(request).annotate(class_count=Count("options"))
        return steps

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        formset: Any = super().get_formset(request, obj, **kwargs)
        formset.actor = actor_of(request)
        return formset

    @display(description="classes")
    def offered_in(self, step: CourseStep) -> str:
        if step.pk is None:
            return "Save, then choose its classes"
        count = getattr(step, "class_count", 0)
        return link(step, {0: "None yet: add one", 1: "1, booked automatically"}.get(count, f"{count} to choose from"))


@neighbors_of(Program)
def cohorts_of_program(request: HttpRequest, program: Program) -> Card:
    rows = [
        neighbor(cohort, title=f"{cohort}, {day(cohort.start_date)}", note=place_bar(cohort))
        for cohort in Cohort.objects.filter(instance__program=program).order_by("-start_date", "-id")[:20]
    ]
    return Card("Cohorts", rows, empty="None: a course is sold by the cohort.")


class OptionInline(ScopedInline):
    model = CourseStepOption
    add_power = Power.MANAGE
    delete_power = Power.MANAGE
    verbose_name = "class"
    verbose_name_plural = "Classes to choose from (a single class is booked automatically)"
    empty = "None, so nobody can book this step."
    empty_help = "Add the classes that teach it."
    fields = ("group_class", "when")
    readonly_fields = ("when",)
    extra = 1

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("group_class", "step")

    @display(description="meets")
    def when(self, option: CourseStepOption) -> str:
        return weekly_time(option.group_class) if option.group_class_id else NOTHING


@admin.register(CourseStep)
class CourseStepAdmin(WorkspaceScopedAdmin):
    workspace_path = "program__workspace"
    add_power = Power.MANAGE
    change_power = Power.MANAGE
    list_display = ("label", "title", "program_link", "order", "required", "offered_in")
    list_filter = (("program__workspace", ScopedRelatedFilter), ("program", ScopedRelatedFilter), "required")
    list_select_related = ("program",)
    search_fields = ("label", "title", "=program__code")
    search_help_text = "Label, title or program code"
    ordering = ("program__title", "order", "id")
    inlines = (OptionInline,)
    fieldsets = ((None, {"fields": ("program", ("label", "order"), "title", "required")}),)
    actions_detail = ("remove",)
    program_link = link_column("program", "course")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        options = CourseStepOption.objects.select_related("group_class").order_by("id")
        return super().get_queryset(request).prefetch_related(Prefetch("options", options))

    def describe(self, row: CourseStep) -> str:
        return f"{row.program}, {row}"

    def save_model(self, request: HttpRequest, obj: CourseStep, form: Any, change: bool) -> None:
        """Add the new step to the packages that were already sold."""
        if change:
            save_step(step=obj, actor=actor_of(request), now=utc_now())
        else:
            add_step(step=obj)

    @staff_action(
        description="Remove from the course",
        power=Power.MANAGE,
        preview=foresee_removed_step,
        icon="delete",
        variant=ActionVariant.DANGER,
        explanation="Its classes and sessions go with it, and learners in the course no longer have to book it. A "
        "step that "
        "somebody has booked or attended stays.",
    )
    def remove(self, request: HttpRequest, step: CourseStep, form: StaffForm) -> HttpResponse:
        with transaction.atomic():
            self.log_deletions(request, CourseStep.objects.filter(pk=step.pk))
            remove_step(step_id=step.pk, actor=actor_of(request), now=utc_now())
        return self.response_to_list(request, f"{self.describe(step)} was removed.")

    @display(description="classes")
    def offered_in(self, step: CourseStep) -> str:
        return ", ".join(str(option.group_class) for option in step.options.all()) or "None yet"


@neighbors_of(CourseStep)
def course_of_step(request: HttpRequest, step: CourseStep) -> Card:
    rows = [
        neighbor(other, note="this one" if other.pk == step.pk else "")
        for other in step.program.steps.order_by("order")
    ]
    return Card(f"Steps of {step.program}", rows)


class GroupClassForm(TimezoneForm):
    meeting_url = forms.URLField(
        required=False, assume_scheme="https", widget=UnfoldAdminURLInputWidget, label="Meeting page"
    )

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        start = cleaned.get("start_time")
        end = cleaned.get("end_time")
        if start and end and end <= start:
            self.add_error("end_time", "A class ends after it starts.")
        return cleaned


class ClassZoneForm(StaffForm):
    edits_the_row = True
    timezone = forms.ChoiceField(label="Time zone")
    sessions = forms.ChoiceField(
        choices=[
            ("moment", "Stay at the same moment"),
            ("clock", "Keep their time on the clock, so their moment changes"),
        ],
        label="Sessions to come",
    )

    def prepare(self) -> None:
        offer_zones(self.fields["timezone"], self.row.timezone)
        self.initial["timezone"] = self.row.timezone

    def plan(self) -> dict[str, Any]:
        return {"timezone": self.cleaned_data["timezone"], "keep_clock": self.cleaned_data["sessions"] == "clock"}


def foresee_class_zone(group_class: GroupClass, form: ClassZoneForm) -> Preview:
    zone = form.cleaned_data["timezone"]
    moves = plan_class_zone(group_class=group_class, now=utc_now(), **form.plan())
    sentences = [f"Sessions that are scheduled from now on meet at {clock(group_class.start_time)} in {zone}."]
    sentences.extend(move.describe(zone) for move in moves)
    sentences.extend(move.note for move in moves if move.note)
    if not moves:
        sentences.append("No session on the calendar moves.")
    booked = sum(move.session.booked_count for move in moves)
    told = f"Bookings whose families are told the new time by mail: {booked:,}." if booked else "No mail is sent."
    return Preview(sentences=tuple(sentences), mails=told)


@admin.register(GroupClass)
class GroupClassAdmin(WorkspaceScopedAdmin):
    add_power = Power.MANAGE
    change_power = Power.MANAGE
    form = GroupClassForm
    ordering = ("name", "id")
    list_display = ("name", "meets", "teacher", "max_students", "workspace")
    list_filter = (
        ("workspace", ScopedRelatedFilter),
        ("day_of_week", ChoicesDropdownFilter),
    )
    list_select_related = ("workspace",)
    search_fields = ("name", "teacher")
    search_help_text = "Name or teacher"
    readonly_fields = ("created_at",)
    actions_detail = ("change_zone",)
    fieldsets = (
        (None, {"fields": ("workspace", ("name", "teacher"))}),
        (
            "Every week",
            {
                "fields": (("day_of_week", "timezone"), ("start_time", "end_time"), "max_students"),
                "description": "Times are local to the zone, in summer and in winter. Sessions that are on the "
                "calendar already stay as they are; change them one by one.",
            },
        ),
        ("Online", {"fields": ("meeting_url", "created_at")}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: GroupClass | None = None) -> list[str]:
        """The time zone is changed by a button, which asks what happens to the scheduled sessions."""
        return [*super().get_readonly_fields(request, obj), *(["timezone"] if obj else [])]

    @staff_action(
        description="Change time zone",
        power=Power.MANAGE,
        form=ClassZoneForm,
        preview=foresee_class_zone,
        icon="schedule",
        explanation="From then on its weekly times are read in the new zone. Choose what becomes of the sessions that "
        "are on the calendar.",
    )
    def change_zone(self, request: HttpRequest, group_class: GroupClass, form: ClassZoneForm) -> str:
        moves = change_class_zone(group_class_id=group_class.pk, now=utc_now(), **form.plan())
        moved = counted(len(moves), "session")
        return f"{group_class} now uses the time zone {form.cleaned_data['timezone']}; {moved} moved."

    def save_model(self, request: HttpRequest, obj: GroupClass, form: Any, change: bool) -> None:
        """Save only the edited fields; learners with bookings are told about a new meeting page."""
        if change:
            change_class(group_class=obj, fields=form.changed_data, now=utc_now())
        else:
            super().save_model(request, obj, form, change)

    @display(description="meets", ordering="day_of_week")
    def meets(self, group_class: GroupClass) -> str:
        return weekly_time(group_class)


@neighbors_of(GroupClass)
def coming_sessions(request: HttpRequest, group_class: GroupClass) -> Card:
    coming = (
        group_class.sessions.filter(ends_at__gt=utc_now())
        .select_related("group_class")
        .order_by("starts_at", "id")[:10]
    )
    rows = [neighbor(session, title=meeting_time(session), note=seat_bar(session)) for session in coming]
    more = list_url(ClassSession, group_class__id__exact=group_class.pk)
    return Card("Coming sessions", rows, empty="None on the calendar.", more_url=more)


@neighbors_of(GroupClass)
def steps_of_class(request: HttpRequest, group_class: GroupClass) -> Card:
    options = group_class.options.select_related("step__program").order_by("step", "id")[:20]
    rows = [neighbor(option.step, note=option.step.program) for option in options]
    return Card("Steps it serves", rows, empty="No step has it as a choice.")
