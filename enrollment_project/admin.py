from django.contrib import admin
from unfold.decorators import display

from accounts.roles import Power
from backoffice.display import badge
from backoffice.scoping import WorkspaceScopedAdmin
from core.models import IdempotencyRecord


@admin.register(IdempotencyRecord)
class IdempotencyRecordAdmin(WorkspaceScopedAdmin):
    """Shows which keys were used and with which status they were answered, not the answers, which may name people."""

    workspace_path = ""
    view_power = Power.OPERATE
    list_display = ("key", "scope", "state", "created_at", "locked_until")
    search_fields = ("=key", "=scope")
    search_help_text = "The key, or its caller, e.g. key:12"
    ordering = ("-created_at", "-id")
    fields = (("scope", "key"), ("state", "fingerprint"), ("created_at", "locked_until"))

    @display(description="answer")
    def state(self, record: IdempotencyRecord) -> str:
        if record.response_status is None:
            return badge("pending", "In flight")
        return badge("completed" if record.response_status < 400 else "failed", str(record.response_status))
