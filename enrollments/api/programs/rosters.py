"""OneRoster archives: parse, call one use case, render."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.api.permissions import require_scope
from accounts.principals import principal_of
from core.clock import utc_now
from core.http.files import ZipParser, received_file
from core.http.idempotency import idempotent

from ...imports.job import receive_roster
from .imports import TAGS, ImportQuery, ImportSerializer

# A roster creates and changes what these scopes protect, in addition to enrollments.
MORE_SCOPES = ("learners:write", "districts:write")


class RosterView(APIView):
    """The import of a roster into the workspace."""

    required_scopes = {"POST": "enrollments:write"}
    parser_classes = [ZipParser]

    @extend_schema(
        tags=TAGS,
        operation_id="import_roster",
        parameters=[ImportQuery],
        request={ZipParser.media_type: OpenApiTypes.BINARY},
        responses={202: ImportSerializer},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Send a OneRoster 1.2 CSV archive, up to 50 MB: it is checked now and imported in the background.

        Its students become learners and its parents become guardians; districts get their tenant ids; and enrollments
        are created in the program instances that match its classes. The key also needs the scopes to write learners and
        districts.
        """
        options = ImportQuery.read_options(request)
        received = received_file(request)
        for scope in MORE_SCOPES:
            require_scope(request, scope)
        caller = principal_of(request)
        job = receive_roster(
            workspace_id=caller.workspace_id,
            file=received.content,
            options=options,
            actor=caller.actor,
            now=utc_now(),
        )
        return Response(ImportSerializer(job).data, status=status.HTTP_202_ACCEPTED)
