import datetime as dt

from django.contrib import admin
from django.http import HttpRequest
from unfold.decorators import display
from unfold.enums import ActionVariant

from accounts.roles import Power
from backoffice.actions import StaffForm, staff_action
from backoffice.display import badge, json_column, link_column
from backoffice.queues import Queue, register_queue
from backoffice.scoping import ScopedRelatedFilter, WorkspaceScopedAdmin
from core.clock import utc_now

from ..inbox import UNMATCHED, handle_event
from ..models import PartnerEvent
from ..unread import paths_of


def waits(event: PartnerEvent) -> bool:
    return event.handled_at is None


PATIENCE = dt.timedelta(minutes=15)

register_queue(
    Queue(
        name="partner_unhandled",
        label="Partner events that could not be applied",
        hint="The learner's id is unknown, or the error says what is wrong.",
        model=PartnerEvent,
        narrow=lambda events, now: events.filter(handled_at__isnull=True, received_at__lt=now - PATIENCE),
        since="received_at",
        power=Power.MANAGE,
    )
)


@admin.register(PartnerEvent)
class PartnerEventAdmin(WorkspaceScopedAdmin):
    """The parts of partners' messages that we act on, and the outcome of each message."""

    workspace_path = "provider__workspace"
    list_display = ("type", "provider_link", "external_enrollment_id", "state", "outcome", "attempts", "received_at")
    list_filter = (
        ("handled_at", admin.EmptyFieldListFilter),
        ("provider", ScopedRelatedFilter),
        ("provider__workspace", ScopedRelatedFilter),
        "type",
        "received_at",
    )
    list_select_related = ("provider__workspace",)
    search_fields = ("=event_id", "=external_enrollment_id", "=step__cuid")
    search_help_text = "Id of the message, the partner's id of the learner, CUID of the step"
    date_hierarchy = "received_at"
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("type", "event_id"),
                    ("provider_link", "step_link"),
                    ("state", "outcome"),
                    "payload_text",
                    "paths",
                )
            },
        ),
        ("Handling", {"fields": (("received_at", "handled_at"), ("attempts", "next_attempt_at"), "last_error")}),
    )
    actions_detail = ("handle",)
    provider_link = link_column("provider", "partner")
    step_link = link_column("step", "step")
    payload_text = json_column("payload")

    @display(description="state", ordering="handled_at")
    def state(self, event: PartnerEvent) -> str:
        if event.handled_at is not None:
            return badge("handled", "Handled")
        if event.unread:
            return badge("failed", "Can't be read")
        if event.outcome == UNMATCHED:
            return badge("waiting", "Nobody known by this id")
        return badge("failed", "Failed") if event.last_error else badge("pending", "Waiting")

    @display(description="fields of a message that can't be read")
    def paths(self, event: PartnerEvent) -> str:
        """Return the paths in the message; the values are shown to nobody."""
        return ", ".join(paths_of(event)) or "—"

    @staff_action(
        description="Apply now",
        power=Power.MANAGE,
        possible=waits,
        icon="play_arrow",
        variant=ActionVariant.PRIMARY,
        explanation=(
            "It is applied automatically when it is due. An event is applied only once, however often it is tried."
        ),
    )
    def handle(self, request: HttpRequest, event: PartnerEvent, form: StaffForm) -> str:
        handled = handle_event(event_id=event.pk, now=utc_now())
        return handled.outcome or handled.last_error or "It is still waiting."
