"""Exits that were planned for a later day: the list of them, and taking one back."""

from django.contrib import admin
from django.http import HttpRequest
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from accounts.roles import Power
from backoffice.actions import StaffForm, staff_action
from backoffice.display import Card, json_column, link, neighbor, neighbors_of, register_subject, status_badge
from backoffice.scoping import ScopedRelatedFilter, WorkspaceScopedAdmin, actor_of
from core.clock import utc_now
from core.time_words import day

from ..exit import withdraw_exit
from ..models import Enrollment, PlannedExit
from ..states import ExitStatus

register_subject("planned-exit", PlannedExit)


@neighbors_of(Enrollment)
def exits_of_enrollment(request: HttpRequest, enrollment: Enrollment) -> Card:
    """The planned one and what became of those before it."""
    plans = enrollment.planned_exits.order_by("-pk")[:10]
    rows = [
        neighbor(plan, title=f"On {day(plan.effective_date)}", status="status", note=plan.reason, at=plan.created_at)
        for plan in plans
    ]
    return Card("Planned exits", rows)


@admin.register(PlannedExit)
class PlannedExitAdmin(WorkspaceScopedAdmin):
    """Who will leave on which day; another day is given on the enrollment's page."""

    workspace_path = "enrollment__workspace"
    list_display = ("effective_date", "person", "instance", "status_label", "reason", "planned_by", "created_at")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("enrollment__workspace", ScopedRelatedFilter),
        ("enrollment__instance", ScopedRelatedFilter),
        "effective_date",
    )
    list_select_related = ("enrollment__learner", "enrollment__instance")
    search_fields = ("=enrollment__cuid", "=enrollment__id", "enrollment__learner__last_name__istartswith")
    search_help_text = "Enrollment's CUID or number, learner's last name"
    ordering = ("-effective_date", "-id")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("effective_date", "status_label"),
                    ("person_link", "instance"),
                    "reason",
                    "note",
                    "metadata_text",
                    ("planned_by", "created_at"),
                    ("settled_by", "settled_at"),
                )
            },
        ),
        (
            "Tries",
            {"fields": (("attempts", "next_attempt_at"), "last_error"), "classes": ("collapse",)},
        ),
    )
    actions_detail = ("withdraw",)
    status_label = status_badge("status")
    metadata_text = json_column("metadata")

    def describe(self, row: PlannedExit) -> str:
        return f"{row.enrollment.learner}, {row.enrollment.instance}"

    @display(description="learner", ordering="enrollment__learner__last_name")
    def person(self, row: PlannedExit) -> str:
        return str(row.enrollment.learner)

    @display(description="enrollment of")
    def person_link(self, row: PlannedExit) -> str:
        return link(row.enrollment, str(row.enrollment.person))

    @display(description="program", ordering="enrollment__instance__name")
    def instance(self, row: PlannedExit) -> str:
        return str(row.enrollment.instance)

    @staff_action(
        description="Withdraw",
        power=Power.DECIDE,
        possible=lambda row: row.status == ExitStatus.PLANNED,
        icon="undo",
        explanation="The learner stays, and the family is told that the enrollment does not end on that day.",
    )
    def withdraw(self, request: HttpRequest, row: PlannedExit, form: StaffForm) -> str:
        withdraw_exit(planned_exit_id=row.pk, actor=actor_of(request), now=utc_now())
        return f"{self.describe(row)}: the exit on {day(row.effective_date)} is withdrawn."
