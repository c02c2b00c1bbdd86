"""The rejection reasons that a workspace offers its reviewers."""

from django.contrib import admin

from accounts.roles import Power
from backoffice.scoping import ScopedRelatedFilter, WorkspaceScopedAdmin

from ...models import ReviewReason


@admin.register(ReviewReason)
class ReviewReasonAdmin(WorkspaceScopedAdmin):
    """Reviewers choose one at the desk, and may reword it for the family they are writing to."""

    add_power = Power.MANAGE
    change_power = Power.MANAGE
    list_display = ("text", "position", "is_offered", "workspace")
    list_filter = (("workspace", ScopedRelatedFilter), "is_offered")
    list_select_related = ("workspace",)
    search_fields = ("text__icontains",)
    search_help_text = "Wording of the reason"
    ordering = ("workspace", "position", "id")
    fields = ("workspace", "text", "position", "is_offered")
