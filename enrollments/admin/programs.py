from typing import Any

from django import forms
from django.contrib import admin
from django.db import models
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from accounts.roles import Power
from backoffice.actions import StaffForm, staff_action
from backoffice.display import (
    Card,
    Guide,
    Neighbor,
    admin_url,
    badge,
    guides_from,
    list_url,
    neighbor,
    neighbors_of,
    status_badge,
)
from backoffice.guided import list_link
from backoffice.previews import Preview
from backoffice.scoping import ScopedRelatedFilter, WorkspaceModelForm, WorkspaceScopedAdmin, actor_of
from core.clock import utc_now
from core.errors import Invalid
from core.numbers import counted

from ..application.opening import form_state
from ..eligibility.criteria import list_criteria
from ..evaluation import count_candidates, find_going_on, request_evaluation
from ..imports.job import receive_import
from ..imports.reading import kind_of
from ..models import District, Enrollment, Program, ProgramInstance
from ..programs import check_listed_code, lock_default, make_default, refuse_without_default
from ..states import EligibilityStatus, FormState
from .imports import ImportForm, options_of
from .playground import PLAYGROUND
from .program_setup import ProgramPage, program_setup_url
from .refunds import RefundRules


class ProgramForm(WorkspaceModelForm):
    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        code = cleaned.get("code")
        try:
            if code and cleaned.get("listed"):
                check_listed_code(code, program_id=self.instance.pk)
            if self.instance.pk and not cleaned.get("active"):
                refuse_without_default(program_id=self.instance.pk)
        except Invalid as refusal:
            for fault in refusal.errors:
                self.add_error(fault.field, fault.detail)
        return cleaned


class EvaluationForm(StaffForm):
    tell_families = forms.BooleanField(
        required=False,
        initial=True,
        label="Tell families",
        help_text="Each family gets a mail with the result, at about 200 mails a minute. To stop those that still "
        "wait, switch the mail off under Email wording.",
    )


def foresee_evaluation(instance: ProgramInstance, form: EvaluationForm) -> Preview:
    """Preview how many are evaluated, and whether their families are notified."""
    going_on = find_going_on(instance.pk)
    if going_on is not None:
        candidates = counted(going_on.total, "candidate")
        return Preview((f"An evaluation of {candidates} is going on, so no other is started.",))
    is_told = form.cleaned_data["tell_families"]
    mails = "Families are mailed what is found, unless an integrator tells them." if is_told else "No mail is sent."
    return Preview((f"Candidates that are evaluated: {count_candidates(instance.pk):,}.",), mails=mails)


class LocksDefault(WorkspaceScopedAdmin):
    """Saves what may be, or may belong to, the default instance of a workspace."""

    def lock_before_saving(self, request: HttpRequest, pk: int | None) -> None:
        found = self.model._default_manager.filter(pk=pk).values_list("workspace", flat=True).first()
        if found is not None:
            lock_default(found)
        super().lock_before_saving(request, pk)


@admin.register(Program)
class ProgramAdmin(RefundRules, LocksDefault):
    form = ProgramForm
    add_power = Power.MANAGE
    change_power = Power.MANAGE
    ordering = ("title", "id")
    list_display = ("title", "code", "listed", "active", "workspace", "created_at")
    list_filter = (("workspace", ScopedRelatedFilter), "listed", "active")
    list_select_related = ("workspace",)
    search_fields = ("=code", "title")
    readonly_fields = ("created_at",)
    fields = (
        "workspace",
        ("title", "code"),
        "description",
        ("provider", "audience"),
        ("active", "listed"),
        "created_at",
    )
    actions_list = ("set_up_program",)
    set_up_program = list_link(description="New program", power=Power.MANAGE, icon="auto_awesome", to=program_setup_url)

    def get_urls(self) -> list[URLPattern]:
        page = self.admin_site.admin_view(self.set_up_page)
        return [path("setup/", page, name="enrollments_program_setup"), *super().get_urls()]

    def set_up_page(self, request: HttpRequest) -> HttpResponse:
        return ProgramPage(self, request).answer()

    actions_detail = ("set_refund_rules",)


@neighbors_of(Program)
def instances_of_program(request: HttpRequest, program: Program) -> Card:
    rows = [
        neighbor(instance, note=_dates(instance), status="review_mode")
        for instance in program.instances.order_by("-start_date", "name", "id")[:20]
    ]
    return Card("Instances", rows, empty="None yet: learners enroll in an instance.")


class InstanceForm(WorkspaceModelForm):
    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        start = cleaned.get("start_date")
        end = cleaned.get("end_date")
        if start and end and end < start:
            self.add_error("end_date", "The end can't be before the start.")
        if self.instance.is_default and not cleaned.get("active"):
            self.add_error("active", "Make another instance the default first.")
        return cleaned


@admin.register(ProgramInstance)
class ProgramInstanceAdmin(RefundRules, LocksDefault):
    add_power = Power.MANAGE
    change_power = Power.MANAGE
    form = InstanceForm
    ordering = ("-start_date", "name", "id")
    list_display = ("name", "program", "review_badge", "price", "start_date", "end_date", "is_default", "active")
    list_filter = (
        ("workspace", ScopedRelatedFilter),
        ("program", ScopedRelatedFilter),
        ("review_mode", ChoicesDropdownFilter),
        "is_default",
        "active",
    )
    list_select_related = ("program", "price")
    search_fields = ("=cuid", "=id", "name", "=program__code")
    search_help_text = "Name, CUID, number or program code"
    autocomplete_fields = ("program", "price")
    readonly_fields = ("cuid", "number", "is_default", "criteria_version", "created_at")
    fieldsets = (
        (None, {"fields": ("workspace", "program", "name", ("start_date", "end_date"))}),
        (
            "Enrolling",
            {"fields": ("review_mode", ("price", "capacity"), ("active", "is_default"), "takes_applications")},
        ),
        ("Identity", {"fields": ("external_id", ("cuid", "number"), ("criteria_version", "created_at"))}),
    )
    actions_detail = ("edit_criteria", "set_refund_rules", "import_candidates", "evaluate_candidates", "make_default")
    edit_criteria = PLAYGROUND
    review_badge = status_badge("review_mode", "review")

    @admin.display(description="number", ordering="id")
    def number(self, instance: ProgramInstance) -> str:
        return "" if instance.pk is None else str(instance.pk)

    @staff_action(
        description="Import candidates",
        power=Power.DECIDE,
        possible=lambda instance: True,
        form=ImportForm,
        icon="upload_file",
        explanation="Reads the file and rehearses the import: you see what it would do before anything is done.",
    )
    def import_candidates(self, request: HttpRequest, instance: ProgramInstance, form: StaffForm) -> HttpResponse:
        told = form.cleaned_data
        job = receive_import(
            instance_id=instance.pk,
            file=told["file"].file,
            kind=kind_of(told["file"].name),
            options=options_of(told),
            actor=actor_of(request),
            now=utc_now(),
        )
        self.log_change(request, instance, f"Import {job.cuid}")
        return HttpResponseRedirect(admin_url(job))

    @staff_action(
        description="Evaluate candidates",
        power=Power.DECIDE,
        possible=lambda instance: True,
        form=EvaluationForm,
        preview=foresee_evaluation,
        icon="rule",
        explanation="Evaluates every candidate of this instance by its criteria, in the background.",
    )
    def evaluate_candidates(self, request: HttpRequest, instance: ProgramInstance, form: StaffForm) -> str:
        job = request_evaluation(
            instance_id=instance.pk,
            actor=actor_of(request),
            are_families_told=form.cleaned_data["tell_families"],
            now=utc_now(),
        )
        return f"Candidates being evaluated: {job.total:,}. The card Evaluations shows how far it is."

    @staff_action(
        description="Make default",
        power=Power.MANAGE,
        possible=lambda instance: not instance.is_default,
        icon="star",
        explanation="Learners who name no program are enrolled here from now on.",
    )
    def make_default(self, request: HttpRequest, instance: ProgramInstance, form: StaffForm) -> str:
        make_default(instance_id=instance.pk)
        return f"{instance.name} is the default now."


@neighbors_of(ProgramInstance)
def enrollments_of_instance(request: HttpRequest, instance: ProgramInstance) -> Card:
    by_status = instance.enrollments.kept().values_list("eligibility_status")
    counts = dict(by_status.annotate(models.Count("id")))
    rows = [
        _counted(instance, status, counts[status.value]) for status in EligibilityStatus if counts.get(status.value)
    ]
    more = list_url(Enrollment, instance__id__exact=instance.pk)
    return Card("Enrollments", rows, empty="Nobody yet.", more_url=more if rows else "")


@neighbors_of(ProgramInstance)
def criteria_of_instance(request: HttpRequest, instance: ProgramInstance) -> Card:
    rows = [
        Neighbor(
            title=f"{criterion.position}. {criterion.name}",
            note=f"{criterion.expression} · else: {criterion.otherwise}",
        )
        for criterion in list_criteria(instance.pk, instance.criteria_version)
    ]
    return Card(f"Criteria, version {instance.criteria_version}", rows, empty="None: everybody is eligible.")


@neighbors_of(ProgramInstance)
def evaluations_of_instance(request: HttpRequest, instance: ProgramInstance) -> Card:
    rows = [
        neighbor(
            job,
            title=f"{job.done:,} of {job.total:,} candidates",
            status="status",
            note=job.last_error,
            at=job.created_at,
        )
        for job in instance.evaluations.order_by("-id")[:5]
    ]
    return Card("Evaluations", rows, empty="Candidates have not been evaluated together yet.")


@neighbors_of(ProgramInstance)
def imports_of_instance(request: HttpRequest, instance: ProgramInstance) -> Card:
    rows = [
        neighbor(
            job,
            title=f"{job.get_stage_display()}, {job.done:,} of {job.total:,} rows",
            status="status",
            note=job.last_error,
            at=job.created_at,
        )
        for job in instance.imports.order_by("-id")[:5]
    ]
    return Card("Imports", rows, empty="No file of candidates was imported yet.")


@neighbors_of(ProgramInstance)
def seats_for_instance(request: HttpRequest, instance: ProgramInstance) -> Card:
    allocations = instance.allocations.select_related("district").order_by("district__name", "id")[:20]
    rows = [
        neighbor(
            allocation,
            title=allocation.district,
            note=f"{allocation.available_seats:,} of {allocation.total_seats:,} seats left",
        )
        for allocation in allocations
    ]
    return Card("Seats bought for it", rows, empty="None of its own; general seats may serve it.")


def _counted(instance: ProgramInstance, status: EligibilityStatus, count: int) -> Neighbor:
    from_list = list_url(Enrollment, instance__id__exact=instance.pk, eligibility_status__exact=status.value)
    return Neighbor(title=f"{count:,}", url=from_list, badge=badge(status.value, status.label))


def _dates(instance: ProgramInstance) -> str:
    return " to ".join(str(date) for date in (instance.start_date, instance.end_date) if date)


guides_from(
    Program,
    ProgramInstance,
    guide=Guide(
        "New program",
        "A program with its conditions, form, price and seats is set up on one page.",
        program_setup_url,
    ),
)


@neighbors_of(ProgramInstance, early=True)
def what_is_set_up(request: HttpRequest, instance: ProgramInstance) -> Card:
    """Return the card of what families and districts find, and what is missing, each with a link to set it up."""
    criteria = len(list_criteria(instance.pk, instance.criteria_version))
    questions = instance.questions.filter(is_asked=True).count()
    seats = sum(instance.allocations.filter(is_active=True).values_list("total_seats", flat=True))
    state = form_state(instance, now=utc_now())
    here = admin_url(instance)
    playground = reverse("admin:enrollments_programinstance_edit_criteria", args=[instance.pk])
    rows = [
        _check(
            bool(criteria), "Conditions", f"{criteria:,}" if criteria else "none: everybody is eligible", playground
        ),
        _check(instance.price is not None, "Price", str(instance.price or "none: it is free"), here),
        _check(bool(instance.start_date and instance.end_date), "Term", _dates(instance) or "no dates", here),
        _check(
            state == FormState.OPEN, "Form for families", f"{state.label}, {questions:,} questions of its own", here
        ),
        _check(bool(seats), "Seats of districts", f"{seats:,}" if seats else "none of its own", list_url(District)),
    ]
    return Card("What is set up", rows)


def _check(is_done: bool, title: str, note: str, url: str) -> Neighbor:
    return Neighbor(title=title, url=url, badge=badge("done", "Set up") if is_done else badge("", "Not set"), note=note)
