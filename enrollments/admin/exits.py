"""Exits that were planned for a later day: the list of them, and taking one back."""

from django.contrib import admin
from django.http import HttpRequest
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from accounts.roles import Power
from backoffice.actions import StaffForm, staff_action
from backoffice.display import json_column, link_column, register_subject, status_badge
from backoffice.scoping import ScopedRelatedFilter, WorkspaceScopedAdmin, actor_of
from core.clock import utc_now

from ..exit import withdraw_exit
from ..models import PlannedExit
from ..states import ExitStatus

register_subject("planned-exit", PlannedExit)


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
                    ("enrollment_link", "effective_date", "status_label"),
                    "reason",
                    "note",
                    "metadata_text",
                    ("planned_by", "created_at"),
                    ("settled_by", "settled_at"),
                    ("attempts", "next_attempt_at", "last_error"),
                )
            },
        ),
    )
    actions_detail = ("withdraw",)
    status_label = status_badge("status")
    enrollment_link = link_column("enrollment", "enrollment")
    metadata_text = json_column("metadata")

    def describe(self, row: PlannedExit) -> str:
        return f"{row.enrollment.learner}, {row.enrollment.instance}"

    @display(description="learner", ordering="enrollment__learner__last_name")
    def person(self, row: PlannedExit) -> str:
        return str(row.enrollment.learner)

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
        return f"{self.describe(row)}: the exit on {row.effective_date} is withdrawn."
