"""The event feed: parse, call one use case, render."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.principals import principal_of
from core.http.query import QueryNumberField, QuerySerializer, QueryTextField

from ..feed import read_feed
from ..models import OutboxEvent

LIMIT = 100
MAX_LIMIT = 500


class FeedQuery(QuerySerializer):
    after = QueryNumberField(
        min_value=0, default=0, help_text="The `next` value of the previous page; 0 starts with the first event."
    )
    limit = QueryNumberField(min_value=1, max_value=MAX_LIMIT, default=LIMIT)
    type = QueryTextField(required=False, max_length=64, help_text="Only events of this type.")


class EventSerializer(serializers.ModelSerializer[OutboxEvent]):
    id = serializers.CharField(source="cuid")
    occurredAt = serializers.DateTimeField(source="occurred_at")
    data = serializers.DictField(source="payload")  # type: ignore[assignment]  # the serializer's own name

    class Meta:
        model = OutboxEvent
        fields = ("id", "type", "aggregate", "sequence", "occurredAt", "data")


class FeedSerializer(serializers.Serializer[Any]):
    data = EventSerializer(many=True)  # type: ignore[assignment]  # the serializer's own name
    next = serializers.IntegerField(
        help_text=("Send it as `after` to continue. It stays the same while there is nothing new.")
    )


class EventFeedView(APIView):
    """What happened in the workspace, in an order that never changes."""

    required_scopes = {"GET": "events:read"}

    @extend_schema(tags=["Events"], operation_id="list_events", parameters=[FeedQuery], responses=FeedSerializer)
    def get(self, request: Request) -> Response:
        """No event ever appears at or before `next`, however long its transaction took. Drop duplicates by id, and
        order by sequence within an aggregate, as with the stream."""
        asked = FeedQuery.read(request)
        page = read_feed(
            workspace_id=principal_of(request).workspace_id,
            after=asked["after"],
            limit=asked["limit"],
            types=[asked["type"]] if "type" in asked else [],
        )
        return Response({"data": EventSerializer(page.events, many=True).data, "next": page.next})
