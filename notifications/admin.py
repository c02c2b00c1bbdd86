from django.contrib import admin
from django.http import HttpRequest
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.enums import ActionVariant

from accounts.roles import Power
from backoffice.actions import StaffForm, in_bulk, staff_action
from backoffice.display import json_column, register_subject, status_badge, subject_column
from backoffice.scoping import ScopedRelatedFilter, WorkspaceScopedAdmin
from core.clock import utc_now

from .models import Notification
from .sending import resend_notification
from .states import NotificationStatus

register_subject("notification", Notification)


@admin.register(Notification)
class NotificationAdmin(WorkspaceScopedAdmin):
    """The emails of a workspace; those that were given up can be sent again."""

    list_display = ("kind", "about", "recipient", "status_badge", "attempts", "workspace", "created_at", "sent_at")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("workspace", ScopedRelatedFilter),
        "kind",
        "created_at",
    )
    list_select_related = ("workspace",)
    search_fields = ("recipient__istartswith", "=subject_key")
    search_help_text = "Address, or what it is about, e.g. package:12"
    date_hierarchy = "created_at"
    fieldsets = (
        (None, {"fields": (("kind", "about"), ("recipient", "status_badge"), ("workspace", "created_at"))}),
        ("Sending", {"fields": (("sent_at", "resends"), ("attempts", "next_attempt_at"), "last_error")}),
        ("Made from", {"fields": ("params_text",)}),
    )
    actions_detail = ("resend",)
    status_badge = status_badge("status")
    about = subject_column("subject_key", "about")
    params_text = json_column("params")

    @staff_action(
        description="Send again",
        power=Power.DECIDE,
        possible=lambda notification: notification.status != NotificationStatus.PENDING,
        icon="forward_to_inbox",
        variant=ActionVariant.PRIMARY,
        explanation="Writes the email again with what is true now, and sends it to the same address.",
    )
    def resend(self, request: HttpRequest, notification: Notification, form: StaffForm) -> str:
        resend_notification(notification_id=notification.pk, now=utc_now())
        return "The email is on its way."

    resend_selected = in_bulk(resend, description="Send the selected emails again")
    actions = ("resend_selected",)
