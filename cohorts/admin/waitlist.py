"""Who waits for a place, in which order; staff move entries with a reason, and remove them after a preview."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, F, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display
from unfold.enums import ActionVariant

from accounts.roles import Power
from backoffice.actions import RequiredNoteForm, StaffForm, staff_action
from backoffice.display import NOTHING, link_column, register_subject, status_badge
from backoffice.scoping import ScopedRelatedFilter, WorkspaceScopedAdmin
from core.clock import utc_now
from core.forms import WholeNumberField
from core.numbers import MAX_INT

from ..models import WaitlistEntry
from ..sale.waitlist import leave_waitlist, position_of, reorder_entry
from ..states import IN_LINE, WaitStatus
from .previews import foresee_leaving_the_line, foresee_new_position

register_subject("waitlist", WaitlistEntry)


class PositionForm(RequiredNoteForm):
    position = WholeNumberField(min_value=1, max_value=MAX_INT, help_text="1 is next.")
    field_order = ("position", "note")

    def prepare(self) -> None:
        super().prepare()
        self.initial["position"] = position_of(self.row)


@admin.register(WaitlistEntry)
class WaitlistEntryAdmin(WorkspaceScopedAdmin):
    workspace_path = "cohort__instance__workspace"
    list_display = ("learner_name", "cohort_name", "position", "status_label", "offer_expires_at", "created_at")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("cohort__instance__workspace", ScopedRelatedFilter),
        ("cohort__instance__program", ScopedRelatedFilter),
        ("cohort", ScopedRelatedFilter),
    )
    list_select_related = ("learner", "cohort__instance__program")
    search_through = ("learner",)
    search_help_text = "Learner's name or email, number"
    ordering = ("cohort__start_date", "cohort", "rank", "id")
    fieldsets = (
        (None, {"fields": (("status_label", "position"), ("learner_link", "cohort_link"), "note")}),
        ("Offer", {"fields": (("offered_at", "offer_expires_at"), ("place_link", "created_at"))}),
    )
    actions_detail = ("move_in_line", "remove")
    status_label = status_badge("status")
    learner_link = link_column("learner", "learner")
    cohort_link = link_column("cohort", "cohort")
    place_link = link_column("place", "place held for them")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        ahead = WaitlistEntry.objects.ahead_of(cohort=OuterRef("cohort"), rank=OuterRef("rank"))
        counted = ahead.values("cohort").annotate(n=Count("pk")).values("n")
        entries: QuerySet[Any] = super().get_queryset(request).annotate(ahead=Coalesce(Subquery(counted), 0))
        return entries

    def describe(self, row: WaitlistEntry) -> str:
        return f"{row.learner}, {row.cohort}"

    @display(description="learner", ordering="learner__last_name")
    def learner_name(self, entry: WaitlistEntry) -> str:
        return str(entry.learner)

    @display(description="cohort", ordering="cohort__name")
    def cohort_name(self, entry: WaitlistEntry) -> str:
        return f"{entry.cohort.instance.program}, {entry.cohort}"

    @display(description="position", ordering=F("rank"))
    def position(self, entry: WaitlistEntry) -> str:
        if entry.status != WaitStatus.WAITING:
            return NOTHING
        return "next" if not entry.ahead else str(entry.ahead + 1)  # type: ignore[attr-defined]

    @staff_action(
        description="Move in the line",
        power=Power.DECIDE,
        possible=lambda entry: entry.status == WaitStatus.WAITING,
        form=PositionForm,
        preview=foresee_new_position,
        icon="low_priority",
        explanation="The first in line gets the next free place.",
    )
    def move_in_line(self, request: HttpRequest, entry: WaitlistEntry, form: StaffForm) -> str:
        chosen = form.cleaned_data
        moved = reorder_entry(entry_id=entry.pk, position=chosen["position"], reason=chosen["note"])
        return f"{entry.learner} has position {position_of(moved)}."

    @staff_action(
        description="Remove",
        power=Power.DECIDE,
        possible=lambda entry: entry.status in IN_LINE,
        preview=foresee_leaving_the_line,
        icon="person_remove",
        variant=ActionVariant.DANGER,
        explanation="They leave the line. A place that is held for them is offered to the next in line.",
    )
    def remove(self, request: HttpRequest, entry: WaitlistEntry, form: StaffForm) -> str:
        leave_waitlist(learner_id=entry.learner_id, cohort_id=entry.cohort_id, now=utc_now())
        return f"{entry.learner} is no longer on the waiting list."
