"""Cancellation quotes: what leaving would bring, and carrying it out exactly as quoted."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.principals import principal_of
from core.clock import utc_now
from core.http.fields import CuidField, TextField
from core.http.idempotency import idempotent

from ...leaving import confirm_quote, find_quote, quote_exits
from ...leaving.quote import MOST_TOGETHER
from ...models import CancellationQuote, QuotedExit
from ...states import Settlement

TAGS = ["Enrollments"]


class QuoteBody(serializers.Serializer[Any]):
    enrollmentIds = serializers.ListField(
        child=CuidField(),
        allow_empty=False,
        min_length=1,
        max_length=MOST_TOGETHER,
        help_text="Approved enrollments that end together, each once.",
    )


class ConfirmBody(serializers.Serializer[Any]):
    reason = TextField(max_length=300, help_text="The family reads it.")


class QuotedExitSerializer(serializers.ModelSerializer[QuotedExit]):
    """What leaving one enrollment brings. Amounts are in the currency's smallest unit."""

    enrollmentId = serializers.CharField(source="enrollment.cuid")
    settlement = serializers.ChoiceField(choices=Settlement.choices)
    paidMinor = serializers.IntegerField(source="paid_minor")
    returnedBeforeMinor = serializers.IntegerField(source="back_minor")
    keptMinor = serializers.IntegerField(source="kept_minor")
    comesBackMinor = serializers.IntegerField(source="returned_minor", help_text="0 where staff decide.")
    place = serializers.CharField(help_text="The cohort whose place becomes free; empty if there is none.")
    freesSeat = serializers.BooleanField(source="frees_seat", help_text="Whether a district seat becomes free.")

    class Meta:
        model = QuotedExit
        fields = (
            "enrollmentId",
            "settlement",
            "currency",
            "paidMinor",
            "returnedBeforeMinor",
            "keptMinor",
            "comesBackMinor",
            "place",
            "sessions",
            "freesSeat",
        )


class QuoteSerializer(serializers.ModelSerializer[CancellationQuote]):
    """What leaving brings, if it is confirmed before `expiresAt`."""

    id = serializers.CharField(source="cuid")
    createdAt = serializers.DateTimeField(source="created_at")
    expiresAt = serializers.DateTimeField(source="expires_at")
    confirmedAt = serializers.DateTimeField(source="confirmed_at", allow_null=True)
    exits = QuotedExitSerializer(many=True)

    class Meta:
        model = CancellationQuote
        fields = ("id", "createdAt", "expiresAt", "confirmedAt", "exits")


class QuoteListView(APIView):
    """Quotes that this API key requested."""

    required_scopes = {"POST": "enrollments:write"}

    @extend_schema(
        tags=TAGS,
        operation_id="create_cancellation_quote",
        request=QuoteBody,
        responses={201: QuoteSerializer, 404: OpenApiResponse(description="No such enrollment in this workspace")},
        examples=[
            OpenApiExample("One learner", request_only=True, value={"enrollmentIds": ["clh3x1b2c0001qw8g7k9m2n4p"]})
        ],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Quote what leaving would bring. Nothing ends yet, and the quote holds for 15 minutes."""
        body = QuoteBody(data=request.data)
        body.is_valid(raise_exception=True)
        caller = principal_of(request)
        quote = quote_exits(
            workspace_id=caller.workspace_id,
            enrollment_cuids=body.validated_data["enrollmentIds"],
            actor=caller.actor,
            now=utc_now(),
        )
        return Response(QuoteSerializer(quote).data, status=status.HTTP_201_CREATED)


class QuoteView(APIView):
    """One quote that this API key requested."""

    required_scopes = {"GET": "enrollments:read"}

    @extend_schema(tags=TAGS, operation_id="get_cancellation_quote", responses=QuoteSerializer)
    def get(self, request: Request, quote_id: str) -> Response:
        caller = principal_of(request)
        quote = find_quote(workspace_id=caller.workspace_id, cuid=quote_id, actor=caller.actor)
        return Response(QuoteSerializer(quote).data)


class ConfirmQuoteView(APIView):
    """Confirming a quote."""

    required_scopes = {"POST": "enrollments:write"}

    @extend_schema(
        tags=TAGS,
        operation_id="confirm_cancellation_quote",
        request=ConfirmBody,
        responses=QuoteSerializer,
        examples=[OpenApiExample("They move away", request_only=True, value={"reason": "The family is moving"})],
    )
    @idempotent
    def post(self, request: Request, quote_id: str) -> Response:
        """End these enrollments and refund exactly what was quoted. 409 `quote_over` once the quote has expired, and
        `quote_outdated` once something it says has changed: request a new quote then.
        """
        body = ConfirmBody(data=request.data)
        body.is_valid(raise_exception=True)
        caller = principal_of(request)
        quote = confirm_quote(
            workspace_id=caller.workspace_id,
            cuid=quote_id,
            reason=body.validated_data["reason"],
            actor=caller.actor,
            now=utc_now(),
        )
        return Response(QuoteSerializer(quote).data)
