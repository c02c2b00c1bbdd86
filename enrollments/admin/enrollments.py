from typing import Any

from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from unfold.contrib.filters.admin import ChoicesDropdownFilter, DropdownFilter
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.views import ChangeList

from accounts.roles import Power
from backoffice.actions import NoteForm, ReasonForm, RequiredNoteForm, StaffForm, in_bulk, staff_action
from backoffice.display import json_column, link, link_column, register_subject, status_badge
from backoffice.questions import OfOne
from backoffice.queues import Queue, register_queue
from backoffice.scoping import ScopedRelatedFilter, WorkspaceScopedAdmin, actor_of
from backoffice.searching import FOUND_AT_MOST
from core.clock import utc_now
from core.postal import in_one_line
from core.time_words import day

from ..deletion import delete_enrollment
from ..exit import plan_exit
from ..latest import tell_latest_change
from ..lifecycle import (
    approve_enrollment,
    evaluate_enrollment,
    reconsider_enrollment,
    reject_enrollment,
    submit_enrollment,
)
from ..models import Enrollment
from ..queries import awaiting_payment, awaiting_review
from ..renewal import may_be_renewed, must_be_renewed
from ..review.line import LINE
from ..states import EligibilityStatus
from .bulk_previews import foresee_approvals, foresee_evaluations, foresee_rejections, foresee_submissions
from .enrollment_cards import tell_funding
from .exits import ExitForm, foresee_exit
from .offline import OfflinePayments
from .previews import (
    foresee_approval,
    foresee_deletion,
    foresee_eligible,
    foresee_ineligible,
    foresee_rejection,
    foresee_submission,
)
from .quoted_exits import QuoteForm, can_be_quoted, end_by_quote, foresee_quoted_exit
from .review.desk import ReviewDesk
from .review.worklist import COLUMNS as REVIEW_COLUMNS
from .review.worklist import ReviewColumns, ReviewList, asks_for_reviews

register_subject("enrollment", Enrollment)


def while_in(*statuses: EligibilityStatus) -> Any:
    return lambda enrollment: enrollment.eligibility_status in statuses


def call(use_case: Any, request: HttpRequest, enrollment: Enrollment, form: StaffForm, **more: Any) -> str:
    """Run a lifecycle use case on the state the user saw; it refuses if the enrollment has changed since."""
    changed = use_case(
        enrollment_id=enrollment.pk,
        actor=actor_of(request),
        reason=form.cleaned_data.get("reason", ""),
        note=form.cleaned_data.get("note", ""),
        expected_status=enrollment.eligibility_status,
        now=utc_now(),
        **more,
    )
    person = enrollment.learner or enrollment.lead
    return f"{person}, {enrollment.instance}: {changed.get_eligibility_status_display().lower()}."


class WaitingFilter(DropdownFilter):
    """Filters submitted enrollments by what they are waiting for."""

    title = "waiting for"
    parameter_name = "waiting"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("review", "A reviewer"), ("payment", "The payment")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() == "review":
            return awaiting_review(queryset)
        return awaiting_payment(queryset) if self.value() == "payment" else queryset


register_queue(
    Queue(
        name="review",
        label="Enrollments to review",
        hint="Approve them, or reject them with a reason that the family reads.",
        model=Enrollment,
        narrow=lambda enrollments, now: awaiting_review(enrollments),
        since="waiting_since",
        power=Power.DECIDE,
        query=(WaitingFilter.parameter_name, "review"),
        desk="review",
    )
)


@admin.register(Enrollment)
class EnrollmentAdmin(ReviewDesk, ReviewColumns, OfflinePayments, WorkspaceScopedAdmin):
    list_display = (
        "person",
        "instance",
        "eligibility",
        "participation",
        "payment",
        "workspace",
        "created_at",
    )
    list_filter = (
        WaitingFilter,
        ("eligibility_status", ChoicesDropdownFilter),
        ("participation_status", ChoicesDropdownFilter),
        ("payment_status", ChoicesDropdownFilter),
        ("workspace", ScopedRelatedFilter),
        ("instance", ScopedRelatedFilter),
        "created_at",
    )
    list_select_related = ("learner", "lead", "instance", "workspace")
    search_fields = ("cuid__exact",)
    search_through = ("learner", "lead")
    search_help_text = "Learner's name, email or external id; number, CUID or serial number"
    date_hierarchy = "created_at"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("eligibility", "participation", "payment"),
                    ("person_link", "instance_link"),
                    "funding",
                    ("eligibility_reason", "criteria_version"),
                )
            },
        ),
        (
            "Details",
            {
                "fields": (
                    ("cuid", "number", "identification_type"),
                    ("start_date", "end_date"),
                    ("created_at", "updated_at"),
                    "previous_link",
                ),
                "classes": ("collapse",),
            },
        ),
        (
            "Reported data",
            {
                "fields": (
                    ("phone", "address_text"),
                    ("serial_number", "manufacturers"),
                    ("reference_id", "reference_description"),
                    "tag_list",
                    "metadata_text",
                ),
                "classes": ("collapse",),
            },
        ),
    )
    actions_detail = (
        "approve",
        "reject",
        "evaluate",
        "submit",
        "unenroll",
        "end_by_quote",
        "record_payment",
        "reconsider",
        {"title": "Set by hand", "items": ["mark_eligible", "mark_ineligible"]},
        {"title": "More", "items": ["remove"]},
    )
    actions = ("approve_selected", "reject_selected", "evaluate_selected", "submit_selected")
    eligibility = status_badge("eligibility_status", "eligibility")
    participation = status_badge("participation_status", "participation")
    payment = status_badge("payment_status", "payment")
    instance_link = link_column("instance", "program")
    previous_link = link_column("previous", "earlier enrollment")
    metadata_text = json_column("metadata")

    def get_ordering(self, request: HttpRequest) -> tuple[str, ...]:
        """The newest first; enrollments that wait for a reviewer come in the order of the desk."""
        return LINE if asks_for_reviews(request) else ("-id",)

    def get_list_display(self, request: HttpRequest) -> Any:
        """While reviews are listed, show columns in which the rows differ instead of states that are all the same."""
        columns = super().get_list_display(request)
        if not asks_for_reviews(request):
            return columns
        return [column for column in REVIEW_COLUMNS if column != "workspace" or column in columns]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return ReviewList if asks_for_reviews(request) else super().get_changelist(request, **kwargs)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Enrollment]:
        return super().get_queryset(request).filter(deleted_at__isnull=True)

    def tell_latest_change(self, row: Enrollment) -> str:
        return tell_latest_change(row, utc_now())

    def describe(self, row: Enrollment) -> str:
        return f"{row.person}, {row.instance}"

    def tell_state(self, row: Enrollment) -> str:
        return str(row.get_eligibility_status_display()).lower()

    def find_by_others(self, request: HttpRequest, term: str) -> list[Q]:
        """Also search by the serial number of the enrollment's device."""
        found = (
            Enrollment.objects.exclude(serial_number="")
            .filter(serial_number=term)
            .values_list("pk", flat=True)[:FOUND_AT_MOST]
        )
        by_serial = [Q(pk__in=keys)] if (keys := list(found)) else []
        return [*super().find_by_others(request, term), *by_serial]

    @display(description="learner", ordering="learner__last_name", header=True)
    def person(self, enrollment: Enrollment) -> tuple[str, str]:
        somebody = enrollment.learner or enrollment.lead
        return str(somebody), getattr(somebody, "email", "")

    @display(description="learner")
    def person_link(self, enrollment: Enrollment) -> str:
        return link(enrollment.learner or enrollment.lead)

    @display(description="paid by")
    def funding(self, enrollment: Enrollment) -> str:
        return tell_funding(enrollment)

    @display(description="address")
    def address_text(self, enrollment: Enrollment) -> str:
        return in_one_line(enrollment.address)

    @display(description="manufacturers")
    def manufacturers(self, enrollment: Enrollment) -> str:
        return ", ".join(enrollment.manufacturer_slugs)

    @display(description="tags")
    def tag_list(self, enrollment: Enrollment) -> str:
        return ", ".join(enrollment.tags)

    @display(description="number")
    def number(self, enrollment: Enrollment) -> str:
        return str(enrollment.pk)

    @staff_action(
        description="Approve",
        power=Power.DECIDE,
        possible=while_in(EligibilityStatus.SUBMITTED),
        form=NoteForm,
        preview=foresee_approval,
        icon="check",
        variant=ActionVariant.SUCCESS,
        explanation="The learner takes part from now on, and a reserved seat becomes used.",
    )
    def approve(self, request: HttpRequest, enrollment: Enrollment, form: StaffForm) -> str:
        return call(approve_enrollment, request, enrollment, form)

    @staff_action(
        description="Reject",
        power=Power.DECIDE,
        possible=while_in(EligibilityStatus.SUBMITTED),
        form=ReasonForm,
        preview=foresee_rejection,
        icon="close",
        variant=ActionVariant.DANGER,
        explanation="Its seat is free again, and money that was paid goes back.",
    )
    def reject(self, request: HttpRequest, enrollment: Enrollment, form: StaffForm) -> str:
        return call(reject_enrollment, request, enrollment, form)

    @staff_action(
        description="Evaluate",
        power=Power.DECIDE,
        possible=while_in(EligibilityStatus.CANDIDATE, EligibilityStatus.ELIGIBLE),
        preview=OfOne(foresee_evaluations),
        icon="rule",
        explanation="Evaluates the program's criteria.",
    )
    def evaluate(self, request: HttpRequest, enrollment: Enrollment, form: StaffForm) -> str:
        return call(evaluate_enrollment, request, enrollment, form)

    @staff_action(
        description="Mark eligible",
        power=Power.DECIDE,
        possible=while_in(EligibilityStatus.CANDIDATE),
        form=RequiredNoteForm,
        preview=foresee_eligible,
        icon="thumb_up",
    )
    def mark_eligible(self, request: HttpRequest, enrollment: Enrollment, form: StaffForm) -> str:
        return call(evaluate_enrollment, request, enrollment, form, is_eligible=True)

    @staff_action(
        description="Mark ineligible",
        power=Power.DECIDE,
        possible=while_in(EligibilityStatus.CANDIDATE, EligibilityStatus.ELIGIBLE),
        form=ReasonForm,
        preview=foresee_ineligible,
        icon="thumb_down",
        variant=ActionVariant.DANGER,
    )
    def mark_ineligible(self, request: HttpRequest, enrollment: Enrollment, form: StaffForm) -> str:
        return call(evaluate_enrollment, request, enrollment, form, is_eligible=False)

    @staff_action(
        description="Submit",
        power=Power.DECIDE,
        possible=while_in(EligibilityStatus.ELIGIBLE),
        form=NoteForm,
        preview=foresee_submission,
        icon="send",
        variant=ActionVariant.PRIMARY,
        explanation="Submits it for review. If review is automatic and nothing is left to pay, it is approved at once.",
    )
    def submit(self, request: HttpRequest, enrollment: Enrollment, form: StaffForm) -> str:
        return call(submit_enrollment, request, enrollment, form)

    @staff_action(
        description="Unenroll",
        power=Power.DECIDE,
        possible=while_in(EligibilityStatus.APPROVED),
        form=ExitForm,
        preview=foresee_exit,
        icon="logout",
        variant=ActionVariant.DANGER,
        explanation="The learner leaves and gives back what they held. Money is refunded on the payment's page.",
    )
    def unenroll(self, request: HttpRequest, enrollment: Enrollment, form: ExitForm) -> str:
        told = form.cleaned_data["exit_interview"]
        metadata = {"exitInterview": told} if told else None
        leaves_on = form.cleaned_data["effective_date"]
        answer = call(plan_exit, request, enrollment, form, metadata=metadata, effective_date=leaves_on)
        return f"{enrollment.learner} leaves {enrollment.instance} on {day(leaves_on)}." if form.is_later else answer

    @staff_action(
        description="End by a quote",
        power=Power.MANAGE,
        possible=can_be_quoted,
        form=QuoteForm,
        preview=foresee_quoted_exit,
        icon="request_quote",
        variant=ActionVariant.DANGER,
        explanation=(
            "The learner leaves now and gets the refund that the policy allows: exactly what "
            "the preview shows, or nothing happens."
        ),
    )
    def end_by_quote(self, request: HttpRequest, enrollment: Enrollment, form: QuoteForm) -> str:
        planned = end_by_quote(enrollment, form, actor=actor_of(request))
        money = f" {planned.returned} will be refunded." if planned.returned_minor else ""
        return f"{self.describe(enrollment)}: ended.{money}"

    @staff_action(
        description="Delete",
        power=Power.MANAGE,
        form=RequiredNoteForm,
        preview=foresee_deletion,
        icon="delete",
        variant=ActionVariant.DANGER,
        explanation=(
            "For an enrollment that should never have been recorded. If the learner is "
            "leaving, unenroll them instead: then they are told why."
        ),
    )
    def remove(self, request: HttpRequest, enrollment: Enrollment, form: StaffForm) -> HttpResponse:
        delete_enrollment(
            enrollment_id=enrollment.pk,
            actor=actor_of(request),
            note=form.cleaned_data["note"],
            expected_status=enrollment.eligibility_status,
            now=utc_now(),
        )
        self.log_change(request, enrollment, "Delete")
        messages.success(request, f"{self.describe(enrollment)}: deleted.")
        return HttpResponseRedirect(reverse("admin:enrollments_enrollment_changelist"))

    @staff_action(
        description="Reconsider",
        power=Power.DECIDE,
        possible=lambda enrollment: (
            may_be_renewed(enrollment)
            and not must_be_renewed(enrollment)
            and enrollment.instance.criteria_version > enrollment.criteria_version
        ),
        form=NoteForm,
        icon="history",
        explanation="Makes it a candidate again because the criteria have changed since it was refused.",
    )
    def reconsider(self, request: HttpRequest, enrollment: Enrollment, form: StaffForm) -> str:
        return call(reconsider_enrollment, request, enrollment, form)

    approve_selected = in_bulk(
        approve,
        description="Approve",
        explanation="The learners take part from now on, and their reserved seats are used.",
        preview=foresee_approvals,
    )
    reject_selected = in_bulk(
        reject,
        description="Reject with one reason",
        explanation="Their seats are free again, and money that was paid goes back.",
        preview=foresee_rejections,
    )
    evaluate_selected = in_bulk(
        evaluate,
        description="Evaluate",
        explanation="Evaluates each of them by the criteria of its program.",
        preview=foresee_evaluations,
    )
    submit_selected = in_bulk(
        submit,
        description="Submit for review",
        explanation="Submits them for review. Those whose review is automatic and that have nothing left to pay are "
        "approved at once.",
        preview=foresee_submissions,
    )
