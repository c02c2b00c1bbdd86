"""How long a workspace keeps what, what has expired, and how much was already removed: counts, never names."""

import datetime as dt
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet, Sum
from django.http import HttpRequest
from unfold.decorators import display

from accounts.roles import Power
from backoffice.display import Card, Neighbor, neighbors_of, staff_moment
from backoffice.scoping import ScopedRelatedFilter, WorkspaceScopedAdmin
from core.clock import utc_now
from core.local_time import local_date

from ..forgetting import count_overdue
from ..models import DELAY, Forgotten, Retention
from ..states import RetentionKind

SHOWN_DAYS = 30


@admin.register(Retention)
class RetentionAdmin(WorkspaceScopedAdmin):
    """A change takes effect after a day, so that a person who sees what would be removed can take it back."""

    view_power = Power.MANAGE
    add_power = change_power = Power.GOVERN
    list_display = ("workspace", "kept", "changed_at", "swept_at")
    list_filter = (("workspace", ScopedRelatedFilter),)
    list_select_related = ("workspace",)
    ordering = ("workspace__name", "id")
    readonly_fields = ("follows", "looked")
    fieldsets = (
        (
            "Kept for how many days",
            {
                "fields": (
                    "workspace",
                    ("applications_days", "candidates_days"),
                    ("prospects_days", "mails_days"),
                    ("consents_days", "tasks_days"),
                ),
                "description": (
                    "Counted from the last activity. Anything that was paid for, is in "
                    "progress, or has an open staff task stays. A change takes effect a "
                    "day later; removed data can't be restored."
                ),
            },
        ),
        ("The sweep", {"fields": (("follows", "looked"),)}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).select_related("workspace")

    def describe(self, row: Retention) -> str:
        return f"What {row.workspace.name} keeps"

    def save_model(self, request: HttpRequest, obj: Retention, form: Any, change: bool) -> None:
        obj.changed_at = utc_now()
        super().save_model(request, obj, form, change)

    @display(description="days")
    def kept(self, retention: Retention) -> str:
        return ", ".join(f"{kind.label}: {days}" for kind, days in retention.days.items()) or "Everything is kept"

    @display(description="followed from")
    def follows(self, retention: Retention) -> str:
        zone = retention.workspace.timezone if retention.pk else ""
        return staff_moment(retention.changed_at + DELAY, zone) if zone else "A day after they are saved"

    @display(description="last looked")
    def looked(self, retention: Retention) -> str:
        return staff_moment(retention.swept_at, retention.workspace.timezone) if retention.swept_at else "Not yet"


@neighbors_of(Retention, early=True)
def overdue_now(request: HttpRequest, retention: Retention) -> Card:
    now = utc_now()
    counted = count_overdue(retention, now=now)
    rows = [Neighbor(kind.label, note=f"{count:,}") for kind, count in counted.items()]
    is_followed = retention.changed_at <= now - DELAY
    title = "Removed by the next runs of the sweep" if is_followed else "Would be removed now"
    return Card(title, rows, empty="Everything is kept.")


@neighbors_of(Retention, early=True)
def gone_already(request: HttpRequest, retention: Retention) -> Card:
    since = local_date(utc_now(), retention.workspace.timezone) - dt.timedelta(days=SHOWN_DAYS)
    went = Forgotten.objects.filter(workspace=retention.workspace_id, date__gte=since)
    sums = went.order_by("kind").values_list("kind").annotate(Sum("rows"))
    rows = [Neighbor(RetentionKind(kind).label, note=f"{count:,}") for kind, count in sums]
    return Card(f"Removed in the last {SHOWN_DAYS} days", rows, empty="Nothing.")
