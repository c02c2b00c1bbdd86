"""The record of name changes. They are decided on the learner's page."""

from django.contrib import admin
from unfold.decorators import display

from accounts.models import NameChange

from ..actors import actor_column
from ..display import badge, link_column, register_subject
from ..scoping import ScopedRelatedFilter, WorkspaceScopedAdmin

register_subject("name", NameChange)


@admin.register(NameChange)
class NameChangeAdmin(WorkspaceScopedAdmin):
    actor_fields = ("asked_by", "decided_by")
    list_display = ("before", "after", "state", "by", "workspace", "asked_at")
    list_filter = (
        ("workspace", ScopedRelatedFilter),
        "is_applied",
        ("decided_at", admin.EmptyFieldListFilter),
        "asked_at",
    )
    list_select_related = ("workspace", "learner")
    search_fields = ("=learner__cuid", "last_name__istartswith", "last_name_before__istartswith")
    search_help_text = "Last name, before or after, or the learner's CUID"
    date_hierarchy = "asked_at"
    fieldsets = (
        (None, {"fields": (("before", "after"), ("learner_link", "state"), "note", "workspace")}),
        ("Who", {"fields": (("by", "asked_at"), ("decider", "decided_at"))}),
    )
    learner_link = link_column("learner", "learner")
    by = actor_column("asked_by", "asked by")
    decider = actor_column("decided_by", "decided by")

    @display(description="before", ordering="last_name_before")
    def before(self, row: NameChange) -> str:
        return row.before

    @display(description="after", ordering="last_name")
    def after(self, row: NameChange) -> str:
        return row.after

    @display(description="state", ordering="decided_at")
    def state(self, row: NameChange) -> str:
        return badge({"applied": "completed", "declined": "failed"}.get(row.state, row.state), row.state.capitalize())
