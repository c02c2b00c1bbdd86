"""The history of enrollments."""

from django.contrib import admin
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from backoffice.actors import actor_column
from backoffice.display import badge, link_column
from backoffice.scoping import ScopedRelatedFilter, WorkspaceScopedAdmin

from ..models import EnrollmentTransition


@admin.register(EnrollmentTransition)
class TransitionAdmin(WorkspaceScopedAdmin):
    """The append-only record of every change."""

    workspace_path = "enrollment__workspace"
    actor_fields = ("actor",)
    list_display = ("enrollment_link", "number", "facet", "from_status", "to_badge", "reason", "by", "created_at")
    list_filter = (
        ("facet", ChoicesDropdownFilter),
        ("enrollment__workspace", ScopedRelatedFilter),
        "created_at",
    )
    list_select_related = ("enrollment__learner", "enrollment__lead", "enrollment__instance", "enrollment__workspace")
    list_display_links = ("number",)
    search_fields = ("actor__exact", "request_id__exact")
    search_through = ("enrollment",)
    search_help_text = "Learner's name or email, enrollment's CUID or number, actor (user:7), request id"
    ordering = ("-id",)
    date_hierarchy = "created_at"
    fields = (
        ("enrollment_link", "number"),
        ("facet", "from_status", "to_badge"),
        "reason",
        "note",
        ("by", "request_id"),
        "created_at",
    )
    by = actor_column("actor")
    enrollment_link = link_column("enrollment", "enrollment")

    @display(description="to", ordering="to_status")
    def to_badge(self, transition: EnrollmentTransition) -> str:
        return badge(transition.to_status, transition.to_status.replace("_", " "))
