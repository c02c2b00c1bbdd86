import datetime as dt

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.enums import ActionVariant

from accounts.roles import Power
from accounts.task_kinds import Urgency
from backoffice.actions import StaffForm, in_bulk, staff_action
from backoffice.display import json_column, status_badge, subject_column, subject_kinds
from backoffice.filters import filter_by_known
from backoffice.queues import Queue, register_queue
from backoffice.scoping import ScopedRelatedFilter, WorkspaceScopedAdmin
from core.clock import utc_now

from ..event import event_types
from ..models import OutboxEvent
from ..relay import replay_event
from ..states import RelayStatus

PATIENCE = dt.timedelta(minutes=15)

register_queue(
    Queue(
        name="events_given_up",
        label="Events that were given up",
        hint="Find out why they were not relayed, and relay them again.",
        model=OutboxEvent,
        narrow=lambda events, now: events.filter(relay_status=RelayStatus.DEAD),
        since="occurred_at",
        power=Power.MANAGE,
        query=("relay_status__exact", RelayStatus.DEAD.value),
    )
)
register_queue(
    Queue(
        name="events_late",
        label="Events not relayed for 15 minutes",
        hint="The relay is not running, or the event stream is down.",
        model=OutboxEvent,
        narrow=lambda events, now: events.filter(relay_status=RelayStatus.PENDING, occurred_at__lt=now - PATIENCE),
        since="occurred_at",
        power=Power.OPERATE,
        urgency=Urgency.NOW,
    )
)


@admin.register(OutboxEvent)
class OutboxEventAdmin(WorkspaceScopedAdmin):
    """The outbox as integrators receive it; dead events can be relayed again."""

    list_display = ("type", "about", "sequence", "relay_badge", "attempts", "workspace", "occurred_at")
    list_filter = (
        ("relay_status", ChoicesDropdownFilter),
        ("workspace", ScopedRelatedFilter),
        filter_by_known("type", event_types, title="type"),
        "occurred_at",
    )
    list_select_related = ("workspace",)
    search_fields = ("cuid__exact", "aggregate__exact")
    search_help_text = "CUID of the event, or what it is about, e.g. decision:12, or just the number or CUID of that"
    ordering = ("-id",)
    fieldsets = (
        (None, {"fields": (("type", "about"), ("sequence", "cuid"), ("workspace", "occurred_at"), "payload_text")}),
        ("Relay", {"fields": (("relay_badge", "attempts"), ("relayed_at", "next_attempt_at"), "last_error")}),
    )
    actions_detail = ("replay",)
    relay_badge = status_badge("relay_status", "relay")
    about = subject_column("aggregate", "about")
    payload_text = json_column("payload")

    def find_by_others(self, request: HttpRequest, term: str) -> list[Q]:
        """Find also by the number or CUID of the object it is about, of any kind."""
        return [*super().find_by_others(request, term), Q(aggregate__in=[f"{kind}:{term}" for kind in subject_kinds()])]

    @staff_action(
        description="Relay again",
        power=Power.MANAGE,
        possible=lambda event: event.relay_status == RelayStatus.DEAD,
        icon="replay",
        variant=ActionVariant.PRIMARY,
        explanation="The event becomes due at once. Consumers drop repeated events by CUID.",
    )
    def replay(self, request: HttpRequest, event: OutboxEvent, form: StaffForm) -> str:
        replay_event(event_id=event.pk, now=utc_now())
        return "The event is on its way again."

    replay_selected = in_bulk(
        replay,
        description="Relay the selected dead events again",
        explanation="The events become due at once. Consumers drop repeated events by CUID.",
    )
    actions = ("replay_selected",)
