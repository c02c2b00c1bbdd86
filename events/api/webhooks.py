"""Webhook endpoints and their deliveries: parse, call one use case, render."""

from typing import Any

from django.db import transaction
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.principals import principal_of
from core.clock import utc_now
from core.http.idempotency import TellOnce, idempotent
from core.http.pagination import PageQuery, array_page

from ..models import WebhookEndpoint
from ..states import DisabledReason
from ..webhooks.endpoints import (
    change_endpoint,
    create_endpoint,
    delete_endpoint,
    disable_endpoint,
    enable_endpoint,
    get_endpoint,
    list_endpoints,
    rotate_secret,
)
from ..webhooks.queueing import get_delivery, list_deliveries, ping, redeliver, redeliver_failed, replay
from .examples import CHANGE_ENDPOINT, CREATE_ENDPOINT, REPLAY
from .serializers import (
    ChangedEndpointBody,
    CountSerializer,
    DeliveryQuery,
    DeliverySerializer,
    EndpointSerializer,
    NewEndpointBody,
    ReplayBody,
    SecretSerializer,
)

TAGS = ["Webhooks"]
READ = "webhooks:read"
WRITE = "webhooks:write"


def _endpoint(request: Request, endpoint_id: str) -> WebhookEndpoint:
    return get_endpoint(workspace_id=principal_of(request).workspace_id, cuid=endpoint_id)


class EndpointListView(APIView):
    """Addresses that receive events as they happen, newest first."""

    required_scopes = {"GET": READ, "POST": WRITE}

    @extend_schema(
        tags=TAGS,
        operation_id="list_webhook_endpoints",
        parameters=[PageQuery],
        responses=EndpointSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        rows = list_endpoints(workspace_id=principal_of(request).workspace_id)
        return array_page(request, rows, EndpointSerializer)

    @extend_schema(
        tags=TAGS,
        operation_id="create_webhook_endpoint",
        request=NewEndpointBody,
        responses={201: SecretSerializer},
        examples=[CREATE_ENDPOINT],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Send an address everything that happens from now on. The answer contains the signing secret, this once."""
        body = NewEndpointBody(data=request.data)
        body.is_valid(raise_exception=True)
        workspace_id = principal_of(request).workspace_id
        made = create_endpoint(workspace_id=workspace_id, now=utc_now(), **body.validated_data)
        return TellOnce(SecretSerializer(made).data, once="secret", status=status.HTTP_201_CREATED)


class EndpointView(APIView):
    """One endpoint."""

    required_scopes = {"GET": READ, "PATCH": WRITE, "DELETE": WRITE}

    @extend_schema(tags=TAGS, operation_id="get_webhook_endpoint", responses=EndpointSerializer)
    def get(self, request: Request, endpoint_id: str) -> Response:
        return Response(EndpointSerializer(_endpoint(request, endpoint_id)).data)

    @extend_schema(
        tags=TAGS,
        operation_id="change_webhook_endpoint",
        request=ChangedEndpointBody,
        responses=EndpointSerializer,
        examples=[CHANGE_ENDPOINT],
    )
    def patch(self, request: Request, endpoint_id: str) -> Response:
        """Change the fields sent, or disable and enable it."""
        body = ChangedEndpointBody(data=request.data)
        body.is_valid(raise_exception=True)
        changes: dict[str, Any] = dict(body.validated_data)
        enabled = changes.pop("enabled", None)
        endpoint = _endpoint(request, endpoint_id)
        with transaction.atomic():
            if changes:
                change_endpoint(endpoint_id=endpoint.pk, **changes)
            if enabled:
                enable_endpoint(endpoint_id=endpoint.pk, now=utc_now())
            elif enabled is not None:
                disable_endpoint(endpoint_id=endpoint.pk, reason=DisabledReason.BY_HAND, now=utc_now())
        return Response(EndpointSerializer(_endpoint(request, endpoint_id)).data)

    @extend_schema(
        tags=TAGS, operation_id="delete_webhook_endpoint", responses={204: OpenApiResponse(description="It is gone")}
    )
    def delete(self, request: Request, endpoint_id: str) -> Response:
        """Stop sending to it. Its deliveries are deleted with it."""
        delete_endpoint(endpoint_id=_endpoint(request, endpoint_id).pk, now=utc_now())
        return Response(status=status.HTTP_204_NO_CONTENT)


class EndpointSecretView(APIView):
    """The signing secret."""

    required_scopes = {"POST": WRITE}

    @extend_schema(tags=TAGS, operation_id="rotate_webhook_secret", request=None, responses=SecretSerializer)
    @idempotent
    def post(self, request: Request, endpoint_id: str) -> Response:
        """Create a new secret, shown this once. For a day, every message is signed with both."""
        changed = rotate_secret(endpoint_id=_endpoint(request, endpoint_id).pk, now=utc_now())
        return TellOnce(SecretSerializer(changed).data, once="secret")


class EndpointPingView(APIView):
    """A test message."""

    required_scopes = {"POST": WRITE}

    @extend_schema(tags=TAGS, operation_id="ping_webhook_endpoint", request=None, responses={202: DeliverySerializer})
    @idempotent
    def post(self, request: Request, endpoint_id: str) -> Response:
        """Send a ping, once; its delivery shows what the receiver answers."""
        sent = ping(endpoint_id=_endpoint(request, endpoint_id).pk, now=utc_now())
        return Response(DeliverySerializer(sent).data, status=status.HTTP_202_ACCEPTED)


class EndpointDeliveriesView(APIView):
    """What was sent to an endpoint or is on its way, newest first."""

    required_scopes = {"GET": READ}

    @extend_schema(
        tags=TAGS,
        operation_id="list_webhook_deliveries",
        parameters=[DeliveryQuery, PageQuery],
        responses=DeliverySerializer(many=True),
    )
    def get(self, request: Request, endpoint_id: str) -> Response:
        asked = DeliveryQuery.read(request)
        rows = list_deliveries(endpoint_id=_endpoint(request, endpoint_id).pk, status=asked.get("status"))
        return array_page(request, rows, DeliverySerializer)


class RedeliverFailedView(APIView):
    """Deliveries that were given up."""

    required_scopes = {"POST": WRITE}

    @extend_schema(tags=TAGS, operation_id="redeliver_failed_webhooks", request=None, responses={202: CountSerializer})
    @idempotent
    def post(self, request: Request, endpoint_id: str) -> Response:
        """Send all deliveries that were given up once more."""
        count = redeliver_failed(endpoint_id=_endpoint(request, endpoint_id).pk, now=utc_now())
        return Response({"count": count}, status=status.HTTP_202_ACCEPTED)


class ReplayView(APIView):
    """The events of a time range."""

    required_scopes = {"POST": WRITE}

    @extend_schema(
        tags=TAGS,
        operation_id="replay_webhooks",
        request=ReplayBody,
        responses={202: CountSerializer},
        examples=[REPLAY],
    )
    @idempotent
    def post(self, request: Request, endpoint_id: str) -> Response:
        """Send everything that happened in a range, whether or not sent before, at most 10,000 events at a time."""
        body = ReplayBody(data=request.data)
        body.is_valid(raise_exception=True)
        asked = body.validated_data
        count = replay(
            endpoint_id=_endpoint(request, endpoint_id).pk,
            since=asked["since"],
            until=asked["until"],
            types=asked.get("event_types", ()),
            now=utc_now(),
        )
        return Response({"count": count}, status=status.HTTP_202_ACCEPTED)


class DeliveryView(APIView):
    """One delivery."""

    required_scopes = {"GET": READ}

    @extend_schema(tags=TAGS, operation_id="get_webhook_delivery", responses=DeliverySerializer)
    def get(self, request: Request, delivery_id: str) -> Response:
        found = get_delivery(workspace_id=principal_of(request).workspace_id, cuid=delivery_id)
        return Response(DeliverySerializer(found).data)


class RedeliverView(APIView):
    """A repeated delivery."""

    required_scopes = {"POST": WRITE}

    @extend_schema(tags=TAGS, operation_id="redeliver_webhook", request=None, responses={202: DeliverySerializer})
    @idempotent
    def post(self, request: Request, delivery_id: str) -> Response:
        """Send it again, under the same id; one that is waiting becomes due at once."""
        workspace_id = principal_of(request).workspace_id
        redeliver(delivery_id=get_delivery(workspace_id=workspace_id, cuid=delivery_id).pk, now=utc_now())
        again = get_delivery(workspace_id=workspace_id, cuid=delivery_id)
        return Response(DeliverySerializer(again).data, status=status.HTTP_202_ACCEPTED)
