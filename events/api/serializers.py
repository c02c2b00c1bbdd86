"""The input and output shapes of webhook endpoints and deliveries."""

from typing import Any

from rest_framework import serializers

from core.http.fields import TextField, TruthField
from core.http.query import MomentField, QuerySerializer

from ..models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from ..states import DeliveryStatus
from ..webhooks.choosing import MAX_TYPES
from ..webhooks.message import PING


class EndpointBody(serializers.Serializer[Any]):
    url = TextField(max_length=500, required=False, help_text="Where events are sent by POST, with https.")
    eventTypes = serializers.ListField(
        source="event_types",
        child=TextField(max_length=64),
        required=False,
        min_length=1,
        max_length=MAX_TYPES,
        help_text="Types as docs/events.md lists them, a kind as in enrollment.*, or * for all.",
    )
    description = TextField(max_length=200, required=False, allow_blank=True)


class NewEndpointBody(EndpointBody):
    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        fields = super().get_fields()
        fields["url"].required = fields["eventTypes"].required = True
        return fields


class ChangedEndpointBody(EndpointBody):
    enabled = TruthField(
        required=False,
        help_text=("Once it is enabled again, waiting events are sent; events from while it was off can be replayed."),
    )


class ReplayBody(serializers.Serializer[Any]):
    since = MomentField(help_text="The first moment of the range.")
    until = MomentField(help_text="The first moment after it.")
    eventTypes = serializers.ListField(
        source="event_types",
        child=TextField(max_length=64),
        required=False,
        max_length=MAX_TYPES,
        help_text="Only these types; if omitted, those the endpoint listens to.",
    )


class EndpointSerializer(serializers.ModelSerializer[WebhookEndpoint]):
    id = serializers.CharField(source="cuid")
    eventTypes = serializers.ListField(source="event_types", child=serializers.CharField())
    enabled = serializers.BooleanField(source="is_enabled")
    disabledReason = serializers.CharField(
        source="disabled_reason", help_text="Empty while enabled; otherwise by_hand, gone or failing."
    )
    failingSince = serializers.DateTimeField(
        source="failing_since",
        allow_null=True,
        help_text="Since when it has not accepted anything. After a week it is switched off.",
    )
    createdAt = serializers.DateTimeField(source="created_at")

    class Meta:
        model = WebhookEndpoint
        fields = ("id", "url", "eventTypes", "description", "enabled", "disabledReason", "failingSince", "createdAt")


class SecretSerializer(EndpointSerializer):
    secret = serializers.CharField(
        allow_null=True, help_text="Verifies deliveries. Returned only once: null in a repeated answer."
    )

    class Meta(EndpointSerializer.Meta):
        fields = (*EndpointSerializer.Meta.fields, "secret")  # type: ignore[assignment]


class AttemptSerializer(serializers.ModelSerializer[WebhookAttempt]):
    status = serializers.IntegerField(allow_null=True, help_text="What the receiver answered; null for no answer.")

    class Meta:
        model = WebhookAttempt
        fields = ("at", "status", "milliseconds", "error")


class DeliverySerializer(serializers.ModelSerializer[WebhookDelivery]):
    id = serializers.CharField(source="cuid")
    eventId = serializers.CharField(source="event.cuid", allow_null=True, default=None, help_text="null for a ping.")
    type = serializers.CharField(source="event.type", default=PING)
    status = serializers.ChoiceField(choices=DeliveryStatus.choices)
    isAfterGap = serializers.BooleanField(
        source="is_after_gap", help_text="An earlier event of the same aggregate was given up, so this went without it."
    )
    nextAttemptAt = serializers.DateTimeField(source="next_attempt_at", help_text="At the earliest, while pending.")
    createdAt = serializers.DateTimeField(source="created_at")
    deliveredAt = serializers.DateTimeField(source="delivered_at", allow_null=True)
    attempts = AttemptSerializer(source="tries", many=True, help_text="The first one first.")

    class Meta:
        model = WebhookDelivery
        fields = (
            "id",
            "eventId",
            "type",
            "aggregate",
            "sequence",
            "status",
            "isAfterGap",
            "nextAttemptAt",
            "createdAt",
            "deliveredAt",
            "attempts",
        )


class DeliveryQuery(QuerySerializer):
    status = serializers.ChoiceField(choices=DeliveryStatus.choices, required=False)


class CountSerializer(serializers.Serializer[Any]):
    count = serializers.IntegerField(help_text="How many deliveries are on the way.")
