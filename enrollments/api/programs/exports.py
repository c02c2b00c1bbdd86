"""Exports of an instance's enrollments: parse, call one use case, render."""

import json
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.http import FileResponse
from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.principals import Principal, principal_of
from backoffice.exporting.files import MEDIA_TYPES
from backoffice.exporting.jobs import request_export
from backoffice.exporting.links import ends_at, find_file, is_ready
from backoffice.exporting.sources import register_source
from backoffice.models import Export, ExportFormat
from backoffice.pages.exports import send_file
from core.clock import utc_now
from core.errors import NotFound, invalid_field, require
from core.http.fields import CuidField
from core.http.idempotency import idempotent
from core.jobs import JobStatus
from core.postal import LENGTHS

from ...listing import Filters, matching_enrollments
from ...models import ProgramInstance
from ...programs import get_instance
from .examples import EXPORT
from .filters import EnrollmentQuery
from .shapes import EnrollmentSerializer

TAGS = ["Enrollments"]
SOURCE = "enrollments"
# Written in columns of their own; the parts of an address use the column names of imports.
_ADDRESS = tuple(LENGTHS)
_ELIGIBILITY = {"status": "status", "reason": "reason"}
_PLAIN = tuple(name for name in EnrollmentSerializer.Meta.fields if name not in ("address", "eligibility"))


class EnrollmentSource:
    """`options` holds the `instance` and the `filters`, as the request named them."""

    def columns(self, export: Export) -> list[str]:
        return [*_PLAIN, *_ADDRESS, *_ELIGIBILITY]

    def rows(self, export: Export) -> QuerySet[Any]:
        workspace_id = require(export.workspace_id, "an API key belongs to a workspace")
        instance = get_instance(workspace_id=workspace_id, cuid=export.options["instance"])
        return matching_enrollments(instance=instance, filters=_filters(export.options["filters"]))

    def totals(self, export: Export) -> list[list[str]]:
        return []

    def is_open_still(self, export: Export) -> bool:
        """Return False: no page of the back office offers the export."""
        return False

    def cells(self, export: Export, rows: Sequence[Any]) -> list[list[str]]:
        return [_cells(shown) for shown in EnrollmentSerializer(rows, many=True).data]


def _filters(given: dict[str, Any]) -> Filters:
    query = EnrollmentQuery(data=given)
    query.is_valid(raise_exception=True)
    return Filters(**query.validated_data)


def _cells(shown: dict[str, Any]) -> list[str]:
    address = shown["address"] or {}
    plain = [_text(shown[name]) for name in _PLAIN]
    return [
        *plain,
        *(_text(address.get(part)) for part in _ADDRESS),
        *(_text(shown["eligibility"][name]) for name in _ELIGIBILITY),
    ]


def _text(value: Any) -> str:
    if value is None or value == {}:
        return ""
    if isinstance(value, list):
        return ",".join(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)


class AnyMediaType(DefaultContentNegotiation):
    """A file has the format chosen when it was ordered, whatever the request accepts."""

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type


register_source(SOURCE, EnrollmentSource())


class ExportBody(EnrollmentQuery):
    programInstanceId = CuidField()
    format = serializers.ChoiceField(choices=ExportFormat.choices, default=ExportFormat.CSV)


class ExportSerializer(serializers.ModelSerializer[Export]):
    id = serializers.CharField(source="cuid")
    status = serializers.ChoiceField(choices=JobStatus.choices)
    format = serializers.ChoiceField(choices=ExportFormat.choices)
    total = serializers.IntegerField(help_text="How many rows there were when it began.")
    done = serializers.IntegerField()
    url = serializers.SerializerMethodField(
        help_text="The address of the file, valid for a day. Shown to keys that may read enrollments."
    )
    expiresAt = serializers.SerializerMethodField(help_text="When that address expires and the file is deleted.")
    createdAt = serializers.DateTimeField(source="created_at")
    finishedAt = serializers.DateTimeField(source="finished_at", allow_null=True)

    class Meta:
        model = Export
        fields = ("id", "status", "format", "total", "done", "url", "expiresAt", "createdAt", "finishedAt")

    def get_url(self, export: Export) -> str | None:
        if not is_ready(export, now=utc_now()):
            return None
        return f"{settings.PUBLIC_URL}{reverse('api-export-file', args=[export.cuid])}"

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_expiresAt(self, export: Export) -> str | None:
        until = ends_at(export)
        return serializers.DateTimeField().to_representation(until) if until else None


def _named_instance(workspace_id: int, cuid: str) -> ProgramInstance:
    """Return the instance named in a body. Raises Invalid, because the name is a field of the body."""
    try:
        return get_instance(workspace_id=workspace_id, cuid=cuid)
    except NotFound as error:
        raise invalid_field("programInstanceId", "not_found", error.detail) from error


def order_export(caller: Principal, body: ExportBody) -> Export:
    """Order the export that a validated body describes. Raises Invalid."""
    instance = _named_instance(caller.workspace_id, body.validated_data["programInstanceId"])
    sent: dict[str, Any] = dict(body.initial_data)
    return request_export(
        source=SOURCE,
        format=ExportFormat(body.validated_data["format"]),
        options={
            "instance": instance.cuid,
            "filters": {name: sent[name] for name in sent if name in EnrollmentQuery().fields},
        },
        workspace_id=caller.workspace_id,
        actor=caller.actor,
        now=utc_now(),
    )


class ExportListView(APIView):
    """Exports of enrollments."""

    required_scopes = {"POST": "enrollments:read"}

    @extend_schema(
        tags=TAGS,
        operation_id="export_enrollments",
        request=ExportBody,
        responses={202: ExportSerializer},
        examples=[EXPORT],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Write an instance's enrollments to a file in the background.

        Filters are combined with AND. Poll the export until its status is completed; then `url` says where the file is.
        """
        body = ExportBody(data=request.data)
        body.is_valid(raise_exception=True)
        export = order_export(principal_of(request), body)
        return Response(ExportSerializer(export).data, status=status.HTTP_202_ACCEPTED)


class ExportView(APIView):
    """One export."""

    required_scopes = {"GET": "enrollments:read"}

    @extend_schema(tags=TAGS, operation_id="get_export", responses=ExportSerializer)
    def get(self, request: Request, export_id: str) -> Response:
        """Return its progress, and where its file is."""
        export = find_export(workspace_id=principal_of(request).workspace_id, cuid=export_id)
        return Response(ExportSerializer(export).data)


class ExportFileView(APIView):
    """The file of an export."""

    required_scopes = {"GET": "enrollments:read"}
    content_negotiation_class = AnyMediaType

    @extend_schema(
        tags=TAGS,
        operation_id="get_export_file",
        responses={(200, media_type): OpenApiTypes.BINARY for media_type in MEDIA_TYPES.values()},
    )
    def get(self, request: Request, export_id: str) -> FileResponse:
        """Return the file, as CSV or as an Excel workbook, from the export's completion until a day later."""
        export = find_export(workspace_id=principal_of(request).workspace_id, cuid=export_id)
        return send_file(export, find_file(export, now=utc_now()))


def find_export(*, workspace_id: int, cuid: str) -> Export:
    """Return an export that an API key of the workspace requested. Raises NotFound."""
    export = Export.objects.filter(workspace=workspace_id, source=SOURCE, requested_by=None, cuid=cuid).first()
    if export is None:
        raise NotFound("There is no such export in this workspace.")
    return export
