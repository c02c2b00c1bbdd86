from typing import Any

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.clock import utc_now
from core.http.parsing import read_body

from ..inbox import find_step_id, receive_event

_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")
_RECEIVED = inline_serializer(
    "PartnerEventReceived", {"received": serializers.BooleanField(), "matched": serializers.BooleanField()}
)


class PartnerWebhookView(APIView):
    """The endpoint for partners' events: authenticated by their signature, so without key, session, or rate limit."""

    authentication_classes: list[Any] = []
    permission_classes: list[Any] = []
    throttle_classes: list[Any] = []

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Any:
        answer = super().finalize_response(request, response, *args, **kwargs)
        if answer.status_code == 401:
            answer["WWW-Authenticate"] = 'Signature realm="api"'  # RFC 9110 requires a 401 to name what is missing
        return answer

    @extend_schema(
        operation_id="receive_partner_event",
        summary="Receive an event from a partner",
        description=(
            "Signed as Standard Webhooks with the partner's own secret. The event is stored "
            "once by its webhook-id and applied afterwards: 200, or 202 while nobody is "
            "known by its enrollmentId. A bad signature, or a timestamp more than five "
            "minutes away: 401. A body that is not an event: 400."
        ),
        parameters=[OpenApiParameter(name, str, OpenApiParameter.HEADER, required=True) for name in _HEADERS],
        request={"application/json": {"type": "object"}},
        responses={200: _RECEIVED, 202: _RECEIVED, 401: OpenApiResponse(description="Not signed by this partner")},
        tags=["Webhooks"],
    )
    def post(self, request: Request, slug: str) -> Response:
        raw = read_body(request)
        headers = {name: request.headers.get(name, "") for name in _HEADERS}
        event, is_known = receive_event(slug=slug, raw=raw, headers=headers, now=utc_now())
        matched = find_step_id(event) is not None
        return Response({"received": True, "matched": matched}, status=200 if matched or is_known else 202)
