from typing import Any

from drf_spectacular.utils import OpenApiParameter, extend_schema, inline_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.clock import utc_now
from core.http.parsing import read_body

from ..inbox import receive_event


class StripeWebhookView(APIView):
    """Where Stripe posts its events: trusted by their signature, so without key, session, or rate limit."""

    authentication_classes: list[Any] = []
    permission_classes: list[Any] = []
    throttle_classes: list[Any] = []

    @extend_schema(
        operation_id="receive_stripe_event",
        summary="Receive an event from Stripe",
        description=(
            "The event is stored once by its id and handled afterwards. A bad signature, a "
            "timestamp more than five minutes away, or a body that is not an event: 400."
        ),
        parameters=[OpenApiParameter("Stripe-Signature", str, OpenApiParameter.HEADER, required=True)],
        request={"application/json": {"type": "object"}},
        responses={200: inline_serializer("StripeEventReceived", {"received": serializers.BooleanField()})},
        tags=["Webhooks"],
    )
    def post(self, request: Request) -> Response:
        raw = read_body(request)
        receive_event(raw=raw, signature_header=request.headers.get("Stripe-Signature", ""), now=utc_now())
        return Response({"received": True})
