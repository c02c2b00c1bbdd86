"""What Stripe told us: the inbox, what it contains about one of our rows, and the reconciliation runs."""

import datetime as dt
from collections.abc import Sequence

from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display
from unfold.enums import ActionVariant

from accounts.roles import Power
from accounts.task_kinds import Urgency
from backoffice.actions import StaffForm, in_bulk, staff_action
from backoffice.display import Card, badge, json_column, list_url, neighbor
from backoffice.previews import Preview, tell_numbers
from backoffice.questions import OfOne
from backoffice.queues import Queue, register_queue
from backoffice.scoping import WorkspaceScopedAdmin, access_of
from core.clock import utc_now
from core.errors import Unavailable

from ..inbox import handle_event
from ..models import ReconciliationRun, StripeEvent, is_about


def stripe_notices(request: HttpRequest, stripe_id: str | None) -> Card:
    """Return what Stripe told us about one of its objects; the inbox belongs to the platform, so only superusers get
    links to it.
    """
    if not access_of(request).everywhere:
        return Card("Stripe's notices", empty="It is kept in the platform's inbox, which a superuser can open.")
    if not stripe_id:
        return Card("Stripe's notices", empty="Stripe does not know it yet.")
    rows = StripeEvent.objects.filter(is_about(stripe_id)).order_by("-id")[:20]
    return Card(
        "Stripe's notices",
        [neighbor(event, title=event.type, note=event.outcome, at=event.received_at) for event in rows],
        more_url=list_url(StripeEvent, q=stripe_id),
    )


PATIENCE = dt.timedelta(minutes=15)

register_queue(
    Queue(
        name="stripe_unhandled",
        label="Stripe events unhandled for 15 minutes",
        hint="Read the event's error, and handle it again.",
        model=StripeEvent,
        narrow=lambda events, now: events.filter(handled_at__isnull=True, received_at__lt=now - PATIENCE),
        since="received_at",
        power=Power.OPERATE,
        urgency=Urgency.NOW,
    )
)


def foresee_handling(events: Sequence[StripeEvent], form: StaffForm) -> Preview:
    """Return what Stripe will be asked about."""
    sentences = tell_numbers("Stripe is asked what became of", [event.type for event in events])
    return Preview(tuple(sentences), mails="Mails are sent as after any Stripe event.")


@admin.register(StripeEvent)
class StripeEventAdmin(WorkspaceScopedAdmin):
    """The inbox of the whole platform: an event can be about any workspace or none, so superusers read it."""

    workspace_path = ""
    view_power = Power.OPERATE
    list_display = ("type", "event_id", "state", "outcome", "source", "attempts", "received_at")
    list_filter = (
        ("handled_at", admin.EmptyFieldListFilter),
        ("source", ChoicesDropdownFilter),
        "type",
        "received_at",
    )
    search_fields = ("event_id__exact",)
    search_help_text = "Id of the event, of the Stripe object it is about, or of its payment intent"
    date_hierarchy = "received_at"
    fieldsets = (
        (None, {"fields": (("type", "event_id"), ("state", "outcome"), ("source", "received_at"), "payload_text")}),
        (
            "Handling",
            {"fields": (("handled_at", "stripe_created_at"), ("attempts", "next_attempt_at"), "last_error")},
        ),
    )
    actions_detail = ("handle",)
    payload_text = json_column("payload")

    def find_by_others(self, request: HttpRequest, term: str) -> list[Q]:
        """Also search by the ids of what the event is about."""
        return [*super().find_by_others(request, term), is_about(term)]

    @display(description="state")
    def state(self, event: StripeEvent) -> str:
        return badge("handled", "Handled") if event.handled_at else badge("pending", "Waiting")

    @staff_action(
        description="Handle now",
        power=Power.OPERATE,
        possible=lambda event: event.handled_at is None,
        preview=OfOne(foresee_handling),
        icon="replay",
        variant=ActionVariant.PRIMARY,
        explanation="Asks Stripe for the current state of the object and records it.",
        reaches_out=True,
    )
    def handle(self, request: HttpRequest, event: StripeEvent, form: StaffForm) -> str:
        handled = handle_event(event_id=event.event_id, now=utc_now())
        if handled is None or handled.handled_at is None:
            raise Unavailable("It could not be handled. Its last error says why.")
        return f"Handled: {handled.outcome}."

    handle_selected = in_bulk(
        handle,
        description="Handle the selected events now",
        explanation="Asks Stripe what became of each object and records the answers.",
        preview=foresee_handling,
    )
    actions = ("handle_selected",)


@admin.register(ReconciliationRun)
class ReconciliationRunAdmin(WorkspaceScopedAdmin):
    workspace_path = ""
    view_power = Power.OPERATE
    list_display = ("started_at", "events_seen", "events_missed", "sessions_seen", "checkouts_settled", "finished_at")
    date_hierarchy = "started_at"
    fields = (
        ("started_at", "finished_at"),
        "window_start",
        ("events_seen", "events_missed"),
        ("sessions_seen", "checkouts_settled"),
    )
