"""Candidates from a file: parse, call one use case, render."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.principals import principal_of
from core.clock import utc_now
from core.http.files import CsvParser, JsonLinesParser, received_file
from core.http.idempotency import idempotent
from core.http.pagination import PageQuery, array_page
from core.http.query import QuerySerializer, QueryTruthField
from core.jobs import JobStatus

from ...imports.job import get_import, receive_import, undo_import
from ...imports.options import Options
from ...imports.outcome import ENDING, FAILED, IMPORTED, SKIPPED, UPDATED
from ...imports.reading import Format
from ...models import ImportFault, ImportJob
from ...programs import get_instance
from ...states import DuplicatePolicy, ImportStage
from .examples import IMPORT_CSV, IMPORT_JSON_LINES

TAGS = ["Imports"]
FAULTS_IN_ANSWER = 100
STATUSES = (*JobStatus.values, "undone")


class ImportQuery(QuerySerializer):
    """What to do with the file."""

    dryRun = QueryTruthField(
        default=False, help_text="Rehearse the import: report what it would do, and change nothing."
    )
    evaluate = QueryTruthField(default=False, help_text="Evaluate each candidate by the criteria.")
    onDuplicate = serializers.ChoiceField(
        choices=DuplicatePolicy.choices,
        default=DuplicatePolicy.SKIP,
        help_text="What to do about people who already have a current enrollment in the instance.",
    )
    tellFamilies = QueryTruthField(
        default=True, help_text="Whether families are told the outcome of an evaluation by mail."
    )
    confirmEndings = QueryTruthField(
        default=False,
        help_text="Import even if more than a tenth of the current enrollments would end or become ineligible. "
        "Without it, such an import fails and changes nothing.",
    )

    @classmethod
    def read_options(cls, request: Request) -> Options:
        asked = cls.read(request)
        return Options(
            evaluate=asked["evaluate"],
            on_duplicate=asked["onDuplicate"],
            tell_families=asked["tellFamilies"],
            may_end_many=asked["confirmEndings"],
            is_rehearsal=asked["dryRun"],
        )


class ImportFaultSerializer(serializers.ModelSerializer[ImportFault]):
    class Meta:
        model = ImportFault
        fields = ("file", "line", "field", "code", "detail")
        extra_kwargs = {"file": {"help_text": "The file of a roster's archive; empty for a file of candidates."}}


def first_faults(job: ImportJob) -> QuerySet[ImportFault]:
    return job.faults.order_by("file", "line", "pk")[:FAULTS_IN_ANSWER]


@extend_schema_field(ImportFaultSerializer(many=True))
class FirstFaultsField(serializers.Field[Any, Any, Any, Any]):
    """The faults of the first faulty lines."""

    def __init__(self) -> None:
        super().__init__(source="*", read_only=True, help_text=f"The first {FAULTS_IN_ANSWER}.")

    def to_representation(self, value: ImportJob) -> list[dict[str, Any]]:
        return list(ImportFaultSerializer(first_faults(value), many=True).data)


class ImportSerializer(serializers.Serializer[ImportJob]):
    id = serializers.CharField(source="cuid")
    status = serializers.SerializerMethodField()
    dryRun = serializers.BooleanField(source="options.is_rehearsal")
    notice = serializers.CharField(help_text="Notes on how the file was read; empty if there are none.")
    reason = serializers.SerializerMethodField(help_text="Why it failed; empty if it did not.")
    rowsTotal = serializers.IntegerField(source="total")
    rowsDone = serializers.IntegerField(source="done")
    rowsImported = serializers.SerializerMethodField()
    rowsUpdated = serializers.SerializerMethodField()
    rowsSkipped = serializers.SerializerMethodField()
    rowsFailed = serializers.SerializerMethodField()
    becomingIneligible = serializers.SerializerMethodField(
        help_text="How many candidates and eligible enrollments that were there before become ineligible, or of a "
        "roster how many enrollments end."
    )
    counts = serializers.DictField(child=serializers.IntegerField())
    createdAt = serializers.DateTimeField(source="created_at")
    finishedAt = serializers.DateTimeField(source="finished_at", allow_null=True)

    @staticmethod
    def _count(job: ImportJob, name: str) -> int:
        return int(job.counts.get(name, 0))

    def get_status(self, job: ImportJob) -> str:
        if job.status == JobStatus.COMPLETED and job.stage == ImportStage.STOPPED:
            return str(JobStatus.FAILED)
        return "undone" if job.status == JobStatus.COMPLETED and job.stage == ImportStage.UNDO else str(job.status)

    def get_reason(self, job: ImportJob) -> str:
        if job.stage == ImportStage.STOPPED:
            became = "end" if job.is_roster else "become ineligible"
            return f"More than a tenth of the current enrollments would {became}. Send it with confirmEndings."
        return job.last_error

    def get_rowsImported(self, job: ImportJob) -> int:
        return self._count(job, IMPORTED)

    def get_rowsUpdated(self, job: ImportJob) -> int:
        return self._count(job, UPDATED)

    def get_rowsSkipped(self, job: ImportJob) -> int:
        return self._count(job, SKIPPED)

    def get_rowsFailed(self, job: ImportJob) -> int:
        return self._count(job, FAILED)

    def get_becomingIneligible(self, job: ImportJob) -> int:
        return self._count(job, ENDING)

    def get_fields(self) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
        """Add `errors`, a name that serializers reserve for something else."""
        return {**super().get_fields(), "errors": FirstFaultsField()}


class ImportInstanceView(APIView):
    """The import of candidates into an instance."""

    required_scopes = {"POST": "enrollments:write"}
    parser_classes = [CsvParser, JsonLinesParser]

    @extend_schema(
        tags=TAGS,
        operation_id="import_candidates",
        parameters=[ImportQuery],
        request={CsvParser.media_type: OpenApiTypes.STR, JsonLinesParser.media_type: OpenApiTypes.STR},
        responses={202: ImportSerializer},
        examples=[IMPORT_CSV, IMPORT_JSON_LINES],
    )
    @idempotent
    def post(self, request: Request, instance_id: str) -> Response:
        """Send candidates as CSV or JSON lines, up to 50 MB: the file is checked now and imported in the background.

        The columns are the fields of an enrollment; parts of the address are columns of their own, lists go into one
        quoted cell, separated by commas, and `metadata.x` sets x in the metadata.
        """
        options = ImportQuery.read_options(request)
        caller = principal_of(request)
        instance = get_instance(workspace_id=caller.workspace_id, cuid=instance_id)
        received = received_file(request)
        job = receive_import(
            instance_id=instance.pk,
            file=received.content,
            kind=Format.CSV if received.media_type == CsvParser.media_type else Format.JSON_LINES,
            options=options,
            actor=caller.actor,
            now=utc_now(),
        )
        return Response(ImportSerializer(job).data, status=status.HTTP_202_ACCEPTED)


class ImportView(APIView):
    """An import."""

    required_scopes = {"GET": "enrollments:read"}

    @extend_schema(tags=TAGS, operation_id="get_import", responses=ImportSerializer)
    def get(self, request: Request, import_id: str) -> Response:
        """Return its progress, and what happened to the rows."""
        job = get_import(workspace_id=principal_of(request).workspace_id, cuid=import_id)
        return Response(ImportSerializer(job).data)


class ImportFaultsView(APIView):
    """The faulty lines of a file."""

    required_scopes = {"GET": "enrollments:read"}

    @extend_schema(
        tags=TAGS,
        operation_id="list_import_errors",
        parameters=[PageQuery],
        responses=ImportFaultSerializer(many=True),
    )
    def get(self, request: Request, import_id: str) -> Response:
        """Return all faults, line by line."""
        job = get_import(workspace_id=principal_of(request).workspace_id, cuid=import_id)
        return array_page(request, job.faults.order_by("file", "line", "pk"), ImportFaultSerializer)


class UndoImportView(APIView):
    """Undoing an import."""

    required_scopes = {"POST": "enrollments:write"}

    @extend_schema(tags=TAGS, operation_id="undo_import", request=None, responses={202: ImportSerializer})
    @idempotent
    def post(self, request: Request, import_id: str) -> Response:
        """Delete the enrollments that it created and revert those it changed, unless something was decided since."""
        caller = principal_of(request)
        found = get_import(workspace_id=caller.workspace_id, cuid=import_id)
        job = undo_import(job_id=found.pk, actor=caller.actor, now=utc_now())
        return Response(ImportSerializer(job).data, status=status.HTTP_202_ACCEPTED)
