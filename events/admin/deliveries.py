from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display
from unfold.enums import ActionVariant

from accounts.roles import Power
from accounts.task_kinds import Urgency
from backoffice.actions import StaffForm, in_bulk, staff_action
from backoffice.display import NOTHING, json_block, link, link_subject, status_badge
from backoffice.filters import filter_by_known
from backoffice.inlines import ScopedInline
from backoffice.queues import Queue, register_queue
from backoffice.scoping import ScopedRelatedFilter, WorkspaceScopedAdmin
from core.clock import utc_now

from ..event import event_types
from ..models import WebhookAttempt, WebhookDelivery
from ..states import DeliveryStatus
from ..webhooks.message import PING, public_data
from ..webhooks.queueing import redeliver


class AttemptInline(ScopedInline):
    """Each try, with the answer to it."""

    model = WebhookAttempt
    verbose_name_plural = "attempts"
    empty = "Not tried yet. A worker sends it when it is due."
    fields = ("at", "status", "milliseconds", "error")
    readonly_fields = fields
    ordering = ("-pk",)


register_queue(
    Queue(
        name="deliveries_given_up",
        label="Webhook deliveries that were given up",
        hint="Ask the receiver's operator what happened, and send them again.",
        model=WebhookDelivery,
        narrow=lambda deliveries, now: deliveries.filter(status=DeliveryStatus.FAILED),
        since="created_at",
        power=Power.MANAGE,
        urgency=Urgency.LATER,
        query=("status__exact", DeliveryStatus.FAILED.value),
    )
)


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(WorkspaceScopedAdmin):
    """What was sent to integrators, and what waits and why."""

    workspace_path = "endpoint__workspace"
    list_display = ("type", "about", "status_badge", "attempts", "last_error", "to", "created_at")
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("endpoint", ScopedRelatedFilter),
        ("endpoint__workspace", ScopedRelatedFilter),
        filter_by_known("event__type", event_types, title="type"),
        "created_at",
    )
    list_select_related = ("endpoint__workspace", "event")
    search_fields = ("cuid__exact",)
    search_through = ("event",)
    search_help_text = "CUID of the delivery or the event, or what it is about, e.g. decision:12"
    fieldsets = (
        (None, {"fields": ("to", ("type", "about"), ("status_badge", "order_text"), ("cuid", "event"), "data_text")}),
        (
            "Tries",
            {
                "fields": (
                    ("attempts", "last_status"),
                    "last_error",
                    ("next_attempt_at", "give_up_at"),
                    ("created_at", "delivered_at"),
                )
            },
        ),
    )
    inlines = (AttemptInline,)
    actions_detail = ("redeliver",)
    status_badge = status_badge("status", "status")

    @display(description="to", ordering="endpoint__url")
    def to(self, delivery: WebhookDelivery) -> SafeString | str:
        endpoint = delivery.endpoint
        return link(endpoint, endpoint.description or endpoint.url)

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookDelivery]:
        rows: QuerySet[WebhookDelivery] = super().get_queryset(request)
        return rows.filter(endpoint__deleted_at=None)

    def describe(self, row: Any) -> str:
        return f"{self.type(row)} {row}"

    @display(description="event", ordering="event__type")
    def type(self, delivery: WebhookDelivery) -> str:
        return delivery.event.type if delivery.event else PING

    @display(description="about", ordering="aggregate")
    def about(self, delivery: WebhookDelivery) -> str:
        return link_subject(delivery.aggregate) if delivery.event else NOTHING

    @display(description="data")
    def data_text(self, delivery: WebhookDelivery) -> str:
        return json_block(public_data(delivery.event)) if delivery.event else NOTHING

    @display(description="order")
    def order_text(self, delivery: WebhookDelivery) -> str:
        """Return why it waits although it may be due, or arrived although an earlier one did not."""
        if delivery.is_after_gap:
            return "An earlier event about the same object was given up, so this one is sent without it."
        if delivery.status != DeliveryStatus.PENDING:
            return NOTHING
        if not delivery.endpoint.is_enabled:
            return "Waits until the endpoint is enabled."
        earlier = WebhookDelivery.objects.filter(
            endpoint=delivery.endpoint_id,
            aggregate=delivery.aggregate,
            status=DeliveryStatus.PENDING,
            sequence__lt=delivery.sequence,
        )
        first = earlier.order_by("sequence").first()
        if first is None:
            return NOTHING
        return (
            f"Waits for event {first.sequence} about the same object, which is given up after three days at the latest."
        )

    @staff_action(
        description="Send again",
        power=Power.MANAGE,
        possible=lambda delivery: delivery.endpoint.is_enabled,
        icon="replay",
        variant=ActionVariant.PRIMARY,
        explanation="The delivery is due at once. Receivers drop repeated events by their id.",
    )
    def redeliver(self, request: HttpRequest, delivery: WebhookDelivery, form: StaffForm) -> str:
        redeliver(delivery_id=delivery.pk, now=utc_now())
        return "The delivery is on its way again."

    redeliver_selected = in_bulk(
        redeliver,
        description="Send the selected deliveries again",
        explanation="The deliveries are due at once. Receivers drop repeated events by their id.",
    )
    actions = ("redeliver_selected",)
