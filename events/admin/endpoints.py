import datetime as dt
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from unfold.decorators import display
from unfold.enums import ActionVariant

from accounts.models import Workspace
from accounts.roles import Power
from backoffice.actions import StaffForm, staff_action, staff_list_action
from backoffice.display import (
    NOTHING,
    Card,
    Neighbor,
    badge,
    list_url,
    moment,
    neighbor,
    neighbors_of,
    register_subject,
)
from backoffice.scoping import ScopedRelatedFilter, WorkspaceScopedAdmin
from core.clock import utc_now
from core.local_time import to_instant, validate_date

from ..models import WebhookDelivery, WebhookEndpoint
from ..states import DeliveryStatus, DisabledReason
from ..webhooks.endpoints import (
    change_endpoint,
    create_endpoint,
    delete_endpoint,
    disable_endpoint,
    enable_endpoint,
    rotate_secret,
)
from ..webhooks.queueing import is_given_up, ping, redeliver_failed, replay

DAY = forms.DateInput(attrs={"type": "date"})

register_subject("webhook-endpoint", WebhookEndpoint)


class EndpointForm(StaffForm):
    edits_the_row = True
    url = forms.CharField(label="Address", max_length=500, help_text="Where events are sent by POST, with https.")
    event_types = forms.CharField(
        label="Events",
        widget=forms.Textarea(attrs={"rows": 4}),
        initial="*",
        help_text="One per line: a type, a kind such as enrollment.*, or * for all.",
    )
    description = forms.CharField(
        max_length=200, required=False, help_text="Who receives the events, for your colleagues."
    )

    def prepare(self) -> None:
        if self.row is not None:
            self.initial = {
                "url": self.row.url,
                "event_types": "\n".join(self.row.event_types),
                "description": self.row.description,
                **self.initial,
            }

    def clean_event_types(self) -> list[str]:
        return str(self.cleaned_data["event_types"]).split()


class NewEndpointForm(EndpointForm):
    workspace = forms.ModelChoiceField(queryset=Workspace.objects.none())
    field_order: tuple[str, ...] = ("workspace", "url", "event_types", "description")

    def prepare(self) -> None:
        super().prepare()
        self.offer_workspaces(Power.GOVERN)


class ReplayForm(StaffForm):
    since = forms.DateField(label="First day", widget=DAY, validators=[validate_date])
    until = forms.DateField(label="Last day", widget=DAY, validators=[validate_date])


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(WorkspaceScopedAdmin):
    """Where integrators receive events. A secret is shown once, and can't be retrieved again."""

    list_display = ("address", "state", "types_text", "waiting", "failed", "workspace")
    list_filter = (("workspace", ScopedRelatedFilter), "disabled_reason")
    list_select_related = ("workspace",)
    search_fields = ("url", "description", "=cuid")
    fieldsets = (
        (None, {"fields": ("workspace", "url", "description", "types_text", ("state", "cuid"))}),
        ("Health", {"fields": (("failures_in_a_row", "failing_since"), ("disabled_at", "next_try"))}),
        ("Since when", {"fields": (("created_at", "listens_since"), "previous_secret_until")}),
    )
    actions_list = ("create",)
    actions_detail = (
        "enable",
        "ping",
        "redeliver_failed",
        "replay",
        {"title": "More", "items": ["edit", "rotate", "disable", "remove"]},
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[WebhookEndpoint]:
        rows: QuerySet[WebhookEndpoint] = super().get_queryset(request).filter(deleted_at=None)
        return rows.annotate(
            waiting_count=Count("deliveries", filter=Q(deliveries__status=DeliveryStatus.PENDING)),
            failed_count=Count("deliveries", filter=is_given_up("deliveries__")),
        )

    @display(description="address", ordering="url")
    def address(self, endpoint: WebhookEndpoint) -> SafeString:
        return format_html('<span class="backoffice-address">{}<br>{}</span>', endpoint.url, endpoint.description or "")

    @display(description="state")
    def state(self, endpoint: WebhookEndpoint) -> str:
        if not endpoint.is_enabled:
            return badge("rejected", endpoint.get_disabled_reason_display())
        if endpoint.failing_since is not None:
            return badge("pending", "Failing")
        return badge("active", "Active")

    @display(description="events")
    def types_text(self, endpoint: WebhookEndpoint) -> str:
        return "all" if "*" in endpoint.event_types else ", ".join(endpoint.event_types)

    @display(description="waiting", ordering="waiting_count")
    def waiting(self, endpoint: Any) -> str:
        return f"{endpoint.waiting_count:,}"

    @display(description="failed", ordering="failed_count")
    def failed(self, endpoint: Any) -> str:
        return f"{endpoint.failed_count:,}"

    @display(description="rests until")
    def next_try(self, endpoint: WebhookEndpoint) -> str:
        rests = endpoint.is_enabled and endpoint.failing_since is not None
        return moment(endpoint.next_attempt_at) if rests else NOTHING

    @staff_list_action(
        description="Add an endpoint",
        power=Power.GOVERN,
        form=NewEndpointForm,
        icon="add_link",
        explanation="It receives events from now on. The next page shows its signing secret once.",
    )
    def create(self, request: HttpRequest, form: StaffForm) -> HttpResponse:
        chosen = form.cleaned_data
        made = create_endpoint(
            workspace_id=chosen["workspace"].pk,
            url=chosen["url"],
            event_types=chosen["event_types"],
            description=chosen["description"],
            now=utc_now(),
        )
        self.log_addition(request, made, "Created")
        return self.show_once(request, made)

    @staff_action(
        description="Change",
        power=Power.GOVERN,
        form=EndpointForm,
        icon="edit",
        explanation="Waiting events go to the new address. A change of event types applies from now on.",
    )
    def edit(self, request: HttpRequest, endpoint: WebhookEndpoint, form: StaffForm) -> str:
        change_endpoint(endpoint_id=endpoint.pk, **form.cleaned_data)
        return "The endpoint is changed. Waiting events go to the new address."

    @staff_action(
        description="Send a ping",
        power=Power.MANAGE,
        possible=lambda endpoint: endpoint.is_enabled,
        icon="network_ping",
        variant=ActionVariant.PRIMARY,
        explanation="Sends a test message. Its delivery shows the receiver's answer.",
    )
    def ping(self, request: HttpRequest, endpoint: WebhookEndpoint, form: StaffForm) -> str:
        ping(endpoint_id=endpoint.pk, now=utc_now())
        return "The ping is on its way. The first delivery below shows its outcome."

    @staff_action(
        description="Send failed ones again",
        power=Power.MANAGE,
        possible=lambda endpoint: endpoint.is_enabled and endpoint.failed_count > 0,
        icon="replay",
        explanation=(
            "Sends all deliveries that were given up again, earlier events about an object "
            "before later ones. Receivers drop repeated events by their id."
        ),
    )
    def redeliver_failed(self, request: HttpRequest, endpoint: WebhookEndpoint, form: StaffForm) -> str:
        count = redeliver_failed(endpoint_id=endpoint.pk, now=utc_now())
        return f"{count:,} {'delivery is' if count == 1 else 'deliveries are'} on the way again."

    @staff_action(
        description="Replay",
        power=Power.MANAGE,
        possible=lambda endpoint: endpoint.is_enabled,
        form=ReplayForm,
        icon="history",
        explanation="Sends everything that happened in these days, whether it was sent before or not. Events are kept "
        "for 30 days.",
    )
    def replay(self, request: HttpRequest, endpoint: WebhookEndpoint, form: StaffForm) -> str:
        day_after = form.cleaned_data["until"] + dt.timedelta(days=1)
        zone = endpoint.workspace.timezone
        count = replay(
            endpoint_id=endpoint.pk,
            since=to_instant(date=form.cleaned_data["since"], time=dt.time(), zone=zone).at,
            until=to_instant(date=day_after, time=dt.time(), zone=zone).at,
            now=utc_now(),
        )
        return f"{count:,} {'event is' if count == 1 else 'events are'} on the way."

    @staff_action(
        description="Rotate the secret",
        power=Power.GOVERN,
        icon="autorenew",
        explanation="Shows a new secret. For a day, both secrets sign, so that the receiver can switch over.",
    )
    def rotate(self, request: HttpRequest, endpoint: WebhookEndpoint, form: StaffForm) -> HttpResponse:
        changed = rotate_secret(endpoint_id=endpoint.pk, now=utc_now())
        self.log_change(request, endpoint, "Rotated the secret")
        return self.show_once(request, changed)

    @staff_action(
        description="Enable",
        power=Power.GOVERN,
        possible=lambda endpoint: not endpoint.is_enabled,
        icon="play_arrow",
        variant=ActionVariant.PRIMARY,
        explanation=(
            "Waiting events are sent at once. Events from while it was off are not: replay those days afterward."
        ),
    )
    def enable(self, request: HttpRequest, endpoint: WebhookEndpoint, form: StaffForm) -> str:
        enable_endpoint(endpoint_id=endpoint.pk, now=utc_now())
        return "The endpoint receives events again."

    @staff_action(
        description="Disable",
        power=Power.GOVERN,
        possible=lambda endpoint: endpoint.is_enabled,
        icon="pause",
        explanation="It receives no more events. Deliveries on their way wait until the endpoint is enabled again.",
    )
    def disable(self, request: HttpRequest, endpoint: WebhookEndpoint, form: StaffForm) -> str:
        disable_endpoint(endpoint_id=endpoint.pk, reason=DisabledReason.BY_HAND, now=utc_now())
        return "The endpoint receives no more events."

    @staff_action(
        description="Delete",
        power=Power.GOVERN,
        icon="delete",
        variant=ActionVariant.DANGER,
        explanation="It receives no more events, and its deliveries are deleted. You can't undo this.",
    )
    def remove(self, request: HttpRequest, endpoint: WebhookEndpoint, form: StaffForm) -> HttpResponse:
        delete_endpoint(endpoint_id=endpoint.pk, now=utc_now())
        self.log_change(request, endpoint, "Deleted")
        return self.response_to_list(request, "The endpoint is deleted.")

    def show_once(self, request: HttpRequest, endpoint: WebhookEndpoint) -> HttpResponse:
        """Show the secret on the only page that ever does."""
        context = {
            **self.admin_site.each_context(request),
            "title": "Signing secret",
            "opts": self.opts,
            "original": endpoint,
            "endpoint": endpoint,
        }
        response = TemplateResponse(request, "admin/events/endpoint_secret.html", context)
        response["Cache-Control"] = "no-store"
        return response


@neighbors_of(WebhookEndpoint)
def deliveries_of_endpoint(request: HttpRequest, endpoint: WebhookEndpoint) -> Card:
    rows = WebhookDelivery.objects.filter(endpoint=endpoint).select_related("event").order_by("-pk")[:10]
    found: list[Neighbor] = [
        neighbor(
            delivery,
            title=delivery.event.type if delivery.event else "ping",
            status="status",
            note=delivery.last_error,
            at=delivery.delivered_at or delivery.created_at,
        )
        for delivery in rows
    ]
    more = list_url(WebhookDelivery, endpoint__id__exact=endpoint.pk) if found else ""
    return Card("Deliveries", found, empty="Nothing was sent yet. Send a ping to try the receiver.", more_url=more)
