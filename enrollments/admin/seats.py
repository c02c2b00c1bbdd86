"""Who holds which seat of a district."""

from django.contrib import admin
from django.http import HttpRequest
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from backoffice.display import Card, Neighbor, link_column, neighbor, neighbors_of, register_subject, status_badge
from backoffice.scoping import ScopedRelatedFilter, WorkspaceScopedAdmin

from ..models import SeatAssignment

register_subject("seat", SeatAssignment)


@admin.register(SeatAssignment)
class SeatAssignmentAdmin(WorkspaceScopedAdmin):
    workspace_path = "allocation__district__workspace"
    list_display = ("id", "district", "learner_link", "status_badge", "reserved_at", "used_at", "released_at")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("allocation__district__workspace", ScopedRelatedFilter),
        ("allocation__district", ScopedRelatedFilter),
        ("allocation", ScopedRelatedFilter),
        "reserved_at",
    )
    list_select_related = ("allocation__district", "learner")
    search_through = ("enrollment",)
    search_help_text = "Learner's name, email or external id; seat number, enrollment's CUID"
    date_hierarchy = "reserved_at"
    fieldsets = (
        (None, {"fields": (("status_badge", "allocation_link"), ("learner_link", "enrollment_link"))}),
        ("Times", {"fields": (("reserved_at", "used_at"), ("released_at", "release_reason"))}),
    )
    status_badge = status_badge("status")
    allocation_link = link_column("allocation", "allocation")
    learner_link = link_column("learner", "learner")
    enrollment_link = link_column("enrollment", "enrollment")

    def describe(self, row: SeatAssignment) -> str:
        return f"{row.learner}: seat of {row.allocation.district}"

    @display(description="district", ordering="allocation__district__name")
    def district(self, seat: SeatAssignment) -> str:
        return seat.allocation.district.name


@neighbors_of(SeatAssignment)
def decisions_of_seat(request: HttpRequest, seat: SeatAssignment) -> Card:
    rows: list[Neighbor] = [
        neighbor(decision, status="status", at=decision.created_at) for decision in seat.decisions.order_by("-id")[:10]
    ]
    return Card("Decisions", rows)
