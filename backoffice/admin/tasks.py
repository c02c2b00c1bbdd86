from django import forms
from django.contrib import admin
from django.http import HttpRequest
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.enums import ActionVariant

from accounts.models import StaffTask
from accounts.roles import Power
from accounts.staff_tasks import complete_staff_task
from accounts.states import TaskStatus

from ..actions import StaffForm, in_bulk, staff_action
from ..display import status_badge, subject_column
from ..scoping import ScopedRelatedFilter, WorkspaceScopedAdmin, staff_of


class ResolutionForm(StaffForm):
    resolution = forms.CharField(
        max_length=2000, widget=forms.Textarea(attrs={"rows": 4}), help_text="What was done about it."
    )


@admin.register(StaffTask)
class StaffTaskAdmin(WorkspaceScopedAdmin):
    list_display = ("summary", "kind", "about", "status_badge", "workspace", "created_at", "done_by")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("workspace", ScopedRelatedFilter),
        "kind",
        "created_at",
    )
    list_select_related = ("workspace", "done_by")
    search_fields = ("=subject", "summary__icontains")
    date_hierarchy = "created_at"
    fieldsets = (
        (None, {"fields": ("summary", ("kind", "about"), ("status_badge", "workspace"), "created_at")}),
        ("Resolution", {"fields": (("done_by", "done_at"), "resolution")}),
    )
    actions_detail = ("complete",)
    status_badge = status_badge("status")
    about = subject_column("subject", "about")

    @staff_action(
        description="Complete",
        power=Power.DECIDE,
        possible=lambda task: task.status == TaskStatus.OPEN,
        form=ResolutionForm,
        icon="task_alt",
        variant=ActionVariant.PRIMARY,
    )
    def complete(self, request: HttpRequest, task: StaffTask, form: StaffForm) -> str:
        complete_staff_task(task_id=task.pk, user=staff_of(request), resolution=form.cleaned_data["resolution"])
        return "Done. Thank you."

    complete_selected = in_bulk(complete, description="Complete with one resolution")
    actions = ("complete_selected",)
