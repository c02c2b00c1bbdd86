"""Closed months and their lines, for an accounting system: read only, since months are closed in the back office."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.principals import principal_of
from core.http.pagination import PageQuery, array_page

from ..closing import find_closed_month, list_closed_months, list_lines
from ..models import LedgerLine, MonthClose
from ..states import Account

TAGS = ["Money"]
MONTH = OpenApiParameter("month", str, OpenApiParameter.PATH, description="As in 2026-10.")


class TotalSerializer(serializers.Serializer[Any]):
    """The total of all lines of one account and currency, in the smallest unit."""

    account = serializers.ChoiceField(choices=Account.choices)
    currency = serializers.CharField()
    grossMinor = serializers.IntegerField(source="gross", help_text="Negative for outgoing money.")
    feeMinor = serializers.IntegerField(source="fee")


class ClosedMonthSerializer(serializers.ModelSerializer[MonthClose]):
    month = serializers.SerializerMethodField(help_text="As in 2026-10, where the workspace is.")
    closedAt = serializers.DateTimeField(source="closed_at")
    note = serializers.CharField(help_text="Why it was closed with open mismatches; empty if there were none.")
    totals = TotalSerializer(many=True)

    class Meta:
        model = MonthClose
        fields = ("month", "closedAt", "note", "totals")

    def get_month(self, close: MonthClose) -> str:
        return f"{close.month:%Y-%m}"


class LedgerLineSerializer(serializers.ModelSerializer[LedgerLine]):
    """One line of the books. Amounts are in the currency's smallest unit, negative for outgoing money."""

    id = serializers.IntegerField(help_text="Increases with each line.")
    isLate = serializers.BooleanField(source="is_late", help_text="Whether it moved in an earlier month.")
    account = serializers.ChoiceField(choices=Account.choices)
    reference = serializers.CharField(source="source", help_text="What the line is about, as in refund:12.")
    number = serializers.IntegerField(
        help_text="1 for the first line of a reference; what turns out otherwise has the next."
    )
    document = serializers.CharField(help_text="The number of the invoice; empty if there is none.")
    correction = serializers.CharField(help_text="The number of the correction; empty if there is none.")
    payer = serializers.CharField(help_text="The account that paid, as in user:5; empty if there is none.")
    grossMinor = serializers.IntegerField(source="gross_minor")
    feeMinor = serializers.IntegerField(source="fee_minor")
    netMinor = serializers.IntegerField(source="net_minor")

    class Meta:
        model = LedgerLine
        fields = (
            "id",
            "date",
            "isLate",
            "account",
            "reference",
            "number",
            "document",
            "correction",
            "payer",
            "what",
            "grossMinor",
            "feeMinor",
            "netMinor",
            "currency",
        )


A_MONTH = OpenApiExample(
    "One payment and its fee",
    response_only=True,
    value={
        "month": "2026-10",
        "closedAt": "2026-11-02T09:00:00Z",
        "note": "",
        "totals": [
            {"account": "fees", "currency": "usd", "grossMinor": 0, "feeMinor": 172},
            {"account": "payments", "currency": "usd", "grossMinor": 4900, "feeMinor": 0},
        ],
    },
)
A_LINE = OpenApiExample(
    "A refund",
    response_only=True,
    value={
        "id": 41,
        "date": "2026-10-20",
        "isLate": False,
        "account": "refunds",
        "reference": "refund:12",
        "number": 1,
        "document": "2026-118",
        "correction": "C-2026-7",
        "payer": "user:5",
        "what": "Reading Rocket, Fall cohort",
        "grossMinor": -4900,
        "feeMinor": 0,
        "netMinor": -4900,
        "currency": "usd",
    },
)


class ClosedMonthListView(APIView):
    """The closed months, the latest first. A reopened month is missing until it is closed again."""

    required_scopes = {"GET": "payments:read"}

    @extend_schema(
        tags=TAGS,
        operation_id="list_closed_months",
        parameters=[PageQuery],
        responses=ClosedMonthSerializer(many=True),
        examples=[A_MONTH],
    )
    def get(self, request: Request) -> Response:
        months = list_closed_months(workspace_id=principal_of(request).workspace_id)
        return array_page(request, months.order_by("-month"), ClosedMonthSerializer)


class ClosedMonthView(APIView):
    """One closed month, with the totals of its lines."""

    required_scopes = {"GET": "payments:read"}

    @extend_schema(
        tags=TAGS,
        operation_id="get_closed_month",
        parameters=[MONTH],
        responses=ClosedMonthSerializer,
        examples=[A_MONTH],
    )
    def get(self, request: Request, month: str) -> Response:
        return Response(ClosedMonthSerializer(_find(request, month)).data)


class LedgerLineListView(APIView):
    """The lines of a closed month in the order in which they were written. Existing lines never change."""

    required_scopes = {"GET": "payments:read"}

    @extend_schema(
        tags=TAGS,
        operation_id="list_ledger_lines",
        parameters=[MONTH, PageQuery],
        responses=LedgerLineSerializer(many=True),
        examples=[A_LINE],
    )
    def get(self, request: Request, month: str) -> Response:
        lines = list_lines(_find(request, month))
        return array_page(request, lines.order_by("pk"), LedgerLineSerializer)


def _find(request: Request, month: str) -> MonthClose:
    return find_closed_month(workspace_id=principal_of(request).workspace_id, month=month)
