"""Program instances: parse, call one use case, render."""

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.principals import principal_of
from core.clock import utc_now
from core.http.cursors import CursorQuery, asked_page, find_page, page_document
from core.http.idempotency import idempotent

from ...programs import change_instance, create_instance, get_instance, list_instances
from .examples import CHANGE_INSTANCE, CREATE_INSTANCE
from .serializers import InstanceBody, InstancePage, InstanceSerializer, InstanceWithCriteria, NewInstanceBody

TAGS = ["Programs"]


class InstanceListView(APIView):
    """Program instances, newest first."""

    required_scopes = {"GET": "enrollments:read", "POST": "enrollments:write"}

    @extend_schema(tags=TAGS, operation_id="list_program_instances", parameters=[CursorQuery], responses=InstancePage)
    def get(self, request: Request) -> Response:
        asked = asked_page(request)
        found = find_page(list_instances(workspace_id=principal_of(request).workspace_id), asked)
        return Response(page_document(asked, found, InstanceSerializer(found.rows, many=True).data))

    @extend_schema(
        tags=TAGS,
        operation_id="create_program_instance",
        request=NewInstanceBody,
        responses={201: InstanceWithCriteria},
        examples=[CREATE_INSTANCE],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Offer a program with these dates, this price, and this review mode."""
        body = NewInstanceBody(data=request.data)
        body.is_valid(raise_exception=True)
        facts = dict(body.validated_data)
        code = facts.pop("programCode")
        caller = principal_of(request)
        instance = create_instance(
            workspace_id=caller.workspace_id, program_code=code, facts=facts, actor=caller.actor, now=utc_now()
        )
        return Response(InstanceWithCriteria(instance).data, status=status.HTTP_201_CREATED)


class InstanceView(APIView):
    """One program instance."""

    required_scopes = {"GET": "enrollments:read", "PATCH": "enrollments:write"}

    @extend_schema(tags=TAGS, operation_id="get_program_instance", responses=InstanceWithCriteria)
    def get(self, request: Request, instance_id: str) -> Response:
        instance = get_instance(workspace_id=principal_of(request).workspace_id, cuid=instance_id)
        return Response(InstanceWithCriteria(instance).data)

    @extend_schema(
        tags=TAGS,
        operation_id="change_program_instance",
        request=InstanceBody,
        responses=InstanceWithCriteria,
        examples=[CHANGE_INSTANCE],
    )
    def patch(self, request: Request, instance_id: str) -> Response:
        """Change the fields that are sent; price, currency, and tax rate each stay as they are if left out."""
        body = InstanceBody(data=request.data)
        body.is_valid(raise_exception=True)
        caller = principal_of(request)
        instance = change_instance(
            workspace_id=caller.workspace_id,
            cuid=instance_id,
            changes=body.validated_data,
            actor=caller.actor,
            now=utc_now(),
        )
        return Response(InstanceWithCriteria(instance).data)
