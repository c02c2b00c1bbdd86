from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter
from unfold.decorators import display
from unfold.enums import ActionVariant

from accounts.models import Learner
from accounts.roles import Power
from backoffice.actions import StaffForm, in_bulk, staff_action
from backoffice.display import (
    NOTHING,
    Card,
    Neighbor,
    badge,
    link,
    link_column,
    neighbor,
    neighbors_of,
    register_subject,
    status_badge,
)
from backoffice.queues import Queue, register_queue
from backoffice.scoping import ScopedRelatedFilter, WorkspaceScopedAdmin, actor_of
from core.clock import utc_now
from enrollments.models import Enrollment
from enrollments.states import ParticipationStatus

from ..consequences import tell_completion, tell_reopening, tell_retry, tell_skip
from ..interventions import complete_step_by_evidence, reassign_step, reopen_step, retry_step, skip_step
from ..models import EnrollmentStep, EnrollmentStepQuerySet
from ..moving import move_learner
from ..states import ACTIVE, DONE, OPEN, PartnerStepStatus
from ..stuck import describe_stuck, whose_turn
from .pipeline import TURNS
from .step_forms import (
    EvidenceForm,
    MoveForm,
    ReassignForm,
    WhyForm,
    asked_version,
    foresee,
    foresee_moves,
    foresee_reassignment,
    foresee_retries,
    foreseen,
)

register_subject("partner_step", EnrollmentStep)


class StuckFilter(DropdownFilter):
    """Filters steps that do not progress, not counting time in which their partner was out."""

    title = "stuck"
    parameter_name = "stuck"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("yes", "Stuck"), ("waiting", "Stuck, not failed"), ("failed", "Failed"), ("overdue", "Overdue")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        steps: Any = queryset
        now = utc_now()
        match self.value():
            case "yes":
                return steps.current().stuck(now)  # type: ignore[no-any-return]
            case "waiting":
                return steps.current().stuck(now).under_way()  # type: ignore[no-any-return]
            case "failed":
                return steps.current().failed()  # type: ignore[no-any-return]
            case "overdue":
                return steps.current().filter(status=PartnerStepStatus.IN_PROGRESS, due_at__lt=now)  # type: ignore[no-any-return]
        return queryset


register_queue(
    Queue(
        name="stuck",  # a failed one waits with its staff task
        label="Learners stuck at a partner",
        hint="See whose turn it is, and call them, try again, skip or reassign.",
        model=EnrollmentStep,
        narrow=lambda steps, now: steps.current().stuck(now).under_way(),  # type: ignore[attr-defined]
        since="changed_at",
        power=Power.DECIDE,
        query=(StuckFilter.parameter_name, "waiting"),
    )
)


def has_failed(step: EnrollmentStep) -> bool:
    return step.status == PartnerStepStatus.FAILED


def is_open(step: EnrollmentStep) -> bool:
    return step.status in OPEN


def has_begun(step: EnrollmentStep) -> bool:
    return step.status in ACTIVE


def counts(step: EnrollmentStep) -> bool:
    return step.status in DONE and step.retired_at is None


def is_behind(step: EnrollmentStep) -> bool:
    """Return whether the learner is active in a version that is not the current one."""
    is_active = step.enrollment.participation_status == ParticipationStatus.ACTIVE
    return is_active and step.retired_at is None and not step.item.group.sequence.active


@admin.register(EnrollmentStep)
class EnrollmentStepAdmin(WorkspaceScopedAdmin):
    """Learners' steps at partners, and what staff can do about the stuck ones."""

    workspace_path = "enrollment__workspace"
    list_display = ("who", "place", "provider_link", "status_badge", "turn", "days", "last_error")
    list_display_links = ("place",)
    list_filter = (
        StuckFilter,
        ("status", ChoicesDropdownFilter),
        ("provider", ScopedRelatedFilter),
        ("enrollment__workspace", ScopedRelatedFilter),
    )
    list_select_related = (
        "enrollment__learner",
        "enrollment__lead",
        "enrollment__workspace",
        "enrollment__instance__program",
        "item__group__sequence",
        "provider",
    )
    search_fields = ("cuid__exact", "external_enrollment_id__exact")
    search_through = ("enrollment",)
    search_help_text = "Learner's name or email, CUID of the step or the enrollment, the partner's id"
    fieldsets = (
        (None, {"fields": (("who", "enrollment_link"), ("provider_link", "course_text"), ("status_badge", "turn"))}),
        ("Progress", {"fields": (("progress", "days"), ("started_at", "due_at"), ("completed_at", "evidence"))}),
        (
            "At the partner",
            {
                "fields": (
                    ("external_enrollment_id", "attempts"),
                    "launch_url",
                    ("next_attempt_at", "last_error"),
                    "contacts",
                )
            },
        ),
        ("Place", {"fields": (("place", "version"), ("changed_at", "retired_at"), "cuid")}),
    )
    actions = ("retry_all", "move_all")
    actions_detail = ("retry", "skip", "complete", "reassign", "reopen", "move")
    status_badge = status_badge("status")
    provider_link = link_column("provider", "partner")
    enrollment_link = link_column("enrollment", "enrollment")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related(*self.list_select_related)

    def get_changelist_instance(self, request: HttpRequest) -> Any:
        """Count the days of all steps on the page in one go."""
        page = super().get_changelist_instance(request)
        page.result_list = list(page.result_list)
        for found in describe_stuck(page.result_list, now=utc_now()):
            found.step.days_counted = found.days  # type: ignore[attr-defined]
        return page

    def describe(self, row: EnrollmentStep) -> str:
        return f"{row.enrollment.person}, step {row.sequence_order} at {row.provider}"

    def tell_latest_change(self, row: EnrollmentStep) -> str:
        last = row.transitions.order_by("-number").first()
        return f"{last.actor} made it {last.to_status}." if last else ""

    @display(description="learner")
    def who(self, step: EnrollmentStep) -> str:
        return link(step.enrollment.person)

    @display(description="step", ordering="sequence_order")
    def place(self, step: EnrollmentStep) -> str:
        return f"Step {step.sequence_order}" + (" (replaced)" if step.retired_at else "")

    @display(description="course")
    def course_text(self, step: EnrollmentStep) -> str:
        return step.course

    @display(description="version")
    def version(self, step: EnrollmentStep) -> str:
        sequence = step.item.group.sequence
        return f"{sequence.version}" if sequence.active else f"{sequence.version}, not the present one"

    @display(description="whose turn")
    def turn(self, step: EnrollmentStep) -> str:
        found = whose_turn(step)
        return TURNS[found] if found else NOTHING

    @display(description="days in this status", ordering="changed_at")
    def days(self, step: EnrollmentStep) -> str:
        if step.status not in ACTIVE:
            return NOTHING
        known = getattr(step, "days_counted", None)
        return str(describe_stuck([step], now=utc_now())[0].days if known is None else known)

    @display(description="contacts")
    def contacts(self, step: EnrollmentStep) -> str:
        learner = step.enrollment.person.email
        told = format_html('<a class="text-link" href="mailto:{0}">{0}</a> (learner)', learner) if learner else NOTHING
        if not step.provider.contact_email:
            return told
        return format_html(
            '{}, <a class="text-link" href="mailto:{1}">{1}</a> (partner)', told, step.provider.contact_email
        )

    @staff_action(
        description="Try again",
        power=Power.DECIDE,
        possible=has_failed,
        form=WhyForm,
        preview=lambda step, form: foreseen(step, tell_retry(step)),
        icon="refresh",
        variant=ActionVariant.PRIMARY,
        explanation="Asks the partner again to enroll the learner, after checking whether it already has.",
    )
    def retry(self, request: HttpRequest, step: EnrollmentStep, form: StaffForm) -> str:
        retry_step(step_id=step.pk, actor=actor_of(request), now=utc_now(), **form.cleaned_data)
        return "The partner is asked again."

    retry_all = in_bulk(
        retry,
        description="Try again",
        explanation="The partners are asked again to take the learners. They are asked first whether they have them "
        "already.",
        preview=foresee_retries,
    )

    @staff_action(
        description="Skip",
        power=Power.DECIDE,
        possible=is_open,
        form=WhyForm,
        preview=lambda step, form: foreseen(step, tell_skip(step)),
        icon="skip_next",
        explanation="The step counts as done, and the learner goes on. A partner that has the learner is told.",
    )
    def skip(self, request: HttpRequest, step: EnrollmentStep, form: StaffForm) -> str:
        skip_step(step_id=step.pk, actor=actor_of(request), now=utc_now(), **form.cleaned_data)
        return "The step is skipped."

    @staff_action(
        description="Complete by evidence",
        power=Power.DECIDE,
        possible=has_begun,
        form=EvidenceForm,
        preview=lambda step, form: foreseen(step, tell_completion(step)),
        icon="verified",
        explanation="For a learner who has finished without the partner reporting it.",
    )
    def complete(self, request: HttpRequest, step: EnrollmentStep, form: StaffForm) -> str:
        complete_step_by_evidence(step_id=step.pk, actor=actor_of(request), now=utc_now(), **form.cleaned_data)
        return "The step is completed."

    @staff_action(
        description="Reassign",
        power=Power.DECIDE,
        possible=is_open,
        form=ReassignForm,
        preview=foresee_reassignment,
        icon="alt_route",
        explanation="The learner takes another course, or goes to another partner, for this step. The present partner "
        "is told if it has the learner.",
    )
    def reassign(self, request: HttpRequest, step: EnrollmentStep, form: StaffForm) -> str:
        given = form.cleaned_data
        placed = reassign_step(
            step_id=step.pk,
            partner=given["partner"].slug,
            course_id=given["course_id"],
            reason=given["reason"],
            actor=actor_of(request),
            now=utc_now(),
        )
        return f"{placed.course} at {placed.provider} replaces it."

    @staff_action(
        description="Have it done again",
        power=Power.MANAGE,
        possible=counts,
        form=WhyForm,
        preview=lambda step, form: foreseen(step, tell_reopening(step)),
        icon="undo",
        variant=ActionVariant.DANGER,
        explanation="The step no longer counts as done. If the program was completed, it is active again and its "
        "certificate is revoked. Later steps that have begun go on.",
    )
    def reopen(self, request: HttpRequest, step: EnrollmentStep, form: StaffForm) -> str:
        placed = reopen_step(step_id=step.pk, actor=actor_of(request), now=utc_now(), **form.cleaned_data)
        return f"The step is {placed.get_status_display().lower()} now."

    @staff_action(
        description="Move to the newest version",
        power=Power.MANAGE,
        possible=is_behind,
        form=MoveForm,
        preview=foresee,
        icon="upgrade",
        explanation=(
            "The learner follows the current version of the program's partner sequence. You "
            "see what carries over before anything changes."
        ),
    )
    def move(self, request: HttpRequest, step: EnrollmentStep, form: StaffForm) -> str:
        moved = move_learner(
            enrollment_id=step.enrollment_id,
            version=asked_version(step, form),
            reason=form.cleaned_data["reason"],
            actor=actor_of(request),
            now=utc_now(),
        )
        return "The learner follows the newest version." if moved else "The learner already follows the newest version."

    move_all = in_bulk(
        move,
        description="Move learners to the newest version",
        explanation="The learners follow the current version of their program's partner sequence. You see what carries "
        "over before anything changes.",
        preview=foresee_moves,
    )


@neighbors_of(EnrollmentStep, early=True)
def story_of_step(request: HttpRequest, step: EnrollmentStep) -> Card:
    rows = [
        Neighbor(
            title=f"{each.number}. {each.from_status} →",
            badge=badge(each.to_status, each.to_status.replace("_", " ")),
            note=" · ".join(part for part in (each.reason, each.actor) if part),
            at=each.created_at,
        )
        for each in step.transitions.order_by("-number")[:50]
    ]
    return Card("Story", rows, empty="It is not its turn yet.", wide=True)


@neighbors_of(EnrollmentStep)
def news_about_step(request: HttpRequest, step: EnrollmentStep) -> Card:
    rows = [
        neighbor(each, title=each.type, note=each.outcome or each.last_error, at=each.received_at)
        for each in step.events.order_by("-pk")[:20]
    ]
    return Card("What the partner sent", rows, empty="Nothing yet.")


@neighbors_of(Enrollment)
def steps_of_enrollment(request: HttpRequest, enrollment: Enrollment) -> Card:
    steps: EnrollmentStepQuerySet = EnrollmentStep.objects.filter(enrollment=enrollment)
    rows = [
        neighbor(
            each,
            title=f"{each.sequence_order}. {each.provider}",
            status="status",
            note="replaced by another certificate" if each.retired_at else each.last_error,
            at=each.changed_at,
        )
        for each in steps.select_related("provider").order_by("sequence_order", "pk")[:100]
    ]
    return Card("Partner steps", rows, empty="It has no partners.")


@neighbors_of(Learner)
def steps_of_learner(request: HttpRequest, learner: Learner) -> Card:
    """Return the card of their progress with the partners of all their programs."""
    steps = EnrollmentStep.objects.filter(enrollment__learner=learner, retired_at=None)
    rows = [
        neighbor(
            step,
            title=f"{step.course} at {step.provider}",
            status="status",
            note=f"{step.progress}%" if step.progress else "",
            at=step.changed_at,
        )
        for step in steps.select_related("provider", "item").order_by("-enrollment", "sequence_order")[:20]
    ]
    return Card("Steps at partners", rows, empty="No partner has them.")
