"""Programs: parse, call one use case, render."""

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.principals import principal_of
from core.http.cursors import CursorQuery, asked_page, find_page, page_document
from core.http.idempotency import idempotent

from ...programs import change_program, create_program, get_program, list_programs
from .examples import CHANGE_PROGRAM, CREATE_PROGRAM
from .serializers import NewProgramBody, ProgramBody, ProgramPage, ProgramSerializer

TAGS = ["Programs"]


class ProgramListView(APIView):
    """Programs, newest first."""

    required_scopes = {"GET": "enrollments:read", "POST": "enrollments:write"}

    @extend_schema(tags=TAGS, operation_id="list_programs", parameters=[CursorQuery], responses=ProgramPage)
    def get(self, request: Request) -> Response:
        asked = asked_page(request)
        found = find_page(list_programs(workspace_id=principal_of(request).workspace_id), asked)
        return Response(page_document(asked, found, ProgramSerializer(found.rows, many=True).data))

    @extend_schema(
        tags=TAGS,
        operation_id="create_program",
        request=NewProgramBody,
        responses={201: ProgramSerializer},
        examples=[CREATE_PROGRAM],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Add a program. 409 `program_exists` if the workspace has one with this code."""
        body = NewProgramBody(data=request.data)
        body.is_valid(raise_exception=True)
        program = create_program(workspace_id=principal_of(request).workspace_id, **body.validated_data)
        return Response(ProgramSerializer(program).data, status=status.HTTP_201_CREATED)


class ProgramView(APIView):
    """One program."""

    required_scopes = {"GET": "enrollments:read", "PATCH": "enrollments:write"}

    @extend_schema(tags=TAGS, operation_id="get_program", responses=ProgramSerializer)
    def get(self, request: Request, code: str) -> Response:
        program = get_program(workspace_id=principal_of(request).workspace_id, code=code)
        return Response(ProgramSerializer(program).data)

    @extend_schema(
        tags=TAGS,
        operation_id="change_program",
        request=ProgramBody,
        responses=ProgramSerializer,
        examples=[CHANGE_PROGRAM],
    )
    def patch(self, request: Request, code: str) -> Response:
        """Change the fields that are sent. The code can't be changed."""
        body = ProgramBody(data=request.data)
        body.is_valid(raise_exception=True)
        workspace_id = principal_of(request).workspace_id
        program = change_program(workspace_id=workspace_id, code=code, changes=body.validated_data)
        return Response(ProgramSerializer(program).data)
