"""The enrollments of a program instance, and single enrollments: parse, call one use case, render."""

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.principals import principal_of
from core.clock import utc_now
from core.http.cursors import CursorQuery, asked_page, page_document
from core.http.idempotency import idempotent

from ...changes import change_enrollment
from ...deletion import delete_enrollment
from ...details import EnrollmentDetails
from ...identification import create_enrollment
from ...listing import Filters, get_enrollment, list_enrollments
from ...programs import get_instance
from .examples import CHANGE_ENROLLMENT, ENROLL_BY_INFO
from .filters import EnrollmentQuery
from .serializers import DetailsBody, NewEnrollmentBody
from .shapes import EnrollmentPage, EnrollmentSerializer, HistorySerializer

TAGS = ["Enrollments"]


class InstanceEnrollmentsView(APIView):
    """The enrollments of a program instance, newest first."""

    required_scopes = {"GET": "enrollments:read", "POST": "enrollments:write"}

    @extend_schema(
        tags=TAGS,
        operation_id="list_enrollments",
        parameters=[EnrollmentQuery, CursorQuery],
        responses=EnrollmentPage,
    )
    def get(self, request: Request, instance_id: str) -> Response:
        """Filters are combined with AND. A page with few items or none is the last one only if its nextCursor is null:
        if the filters match little, each request searches a limited part of the list.
        """
        asked = asked_page(request)
        filters = Filters(**EnrollmentQuery.read(request))
        instance = get_instance(workspace_id=principal_of(request).workspace_id, cuid=instance_id)
        found = list_enrollments(instance=instance, filters=filters, asked=asked)
        return Response(page_document(asked, found, EnrollmentSerializer(found.rows, many=True).data))

    @extend_schema(
        tags=TAGS,
        operation_id="create_enrollment",
        request=NewEnrollmentBody,
        responses={201: EnrollmentSerializer},
        examples=[ENROLL_BY_INFO],
    )
    @idempotent
    def post(self, request: Request, instance_id: str) -> Response:
        """Enroll somebody as a candidate.

        409 `already_enrolled` names the person's current enrollment in this instance as `enrollmentId`. A refused
        enrollment is replaced if the request names it as the `enrollmentId` to renew. 409 `instance_closed` if the
        instance does not accept enrollments.
        """
        body = NewEnrollmentBody(data=request.data)
        body.is_valid(raise_exception=True)
        caller = principal_of(request)
        instance = get_instance(workspace_id=caller.workspace_id, cuid=instance_id)
        enrollment = create_enrollment(
            workspace_id=caller.workspace_id,
            instance_id=instance.pk,
            identification=body.identification(),
            details=EnrollmentDetails(**body.details()),
            actor=caller.actor,
            now=utc_now(),
        )
        return Response(EnrollmentSerializer(enrollment).data, status=status.HTTP_201_CREATED)


class EnrollmentView(APIView):
    """One enrollment."""

    required_scopes = {"GET": "enrollments:read", "PATCH": "enrollments:write", "DELETE": "enrollments:write"}

    @extend_schema(tags=TAGS, operation_id="get_enrollment", responses=EnrollmentSerializer)
    def get(self, request: Request, enrollment_id: str) -> Response:
        enrollment = get_enrollment(workspace_id=principal_of(request).workspace_id, cuid=enrollment_id)
        return Response(EnrollmentSerializer(enrollment).data)

    @extend_schema(
        tags=TAGS,
        operation_id="change_enrollment",
        request=DetailsBody,
        responses=EnrollmentSerializer,
        examples=[CHANGE_ENROLLMENT],
    )
    def patch(self, request: Request, enrollment_id: str) -> Response:
        """Change the fields that are sent: lists are replaced, metadata is merged (a key that is null is removed).

        Names and email belong to the learner: change them at /api/learners, or at /api/leads while there is no learner.
        """
        body = DetailsBody(data=request.data)
        body.is_valid(raise_exception=True)
        caller = principal_of(request)
        found = get_enrollment(workspace_id=caller.workspace_id, cuid=enrollment_id)
        change_enrollment(enrollment_id=found.pk, changes=body.details(), actor=caller.actor, now=utc_now())
        changed = get_enrollment(workspace_id=caller.workspace_id, cuid=enrollment_id)
        return Response(EnrollmentSerializer(changed).data)

    @extend_schema(
        tags=TAGS, operation_id="delete_enrollment", responses={204: OpenApiResponse(description="It is gone")}
    )
    def delete(self, request: Request, enrollment_id: str) -> Response:
        """Delete the enrollment: what it held is given back, and from now on it is not found."""
        caller = principal_of(request)
        found = get_enrollment(workspace_id=caller.workspace_id, cuid=enrollment_id)
        delete_enrollment(enrollment_id=found.pk, actor=caller.actor, now=utc_now())
        return Response(status=status.HTTP_204_NO_CONTENT)


class EnrollmentHistoryView(APIView):
    """What happened to an enrollment."""

    required_scopes = {"GET": "enrollments:read"}

    @extend_schema(tags=TAGS, operation_id="get_enrollment_history", responses=HistorySerializer)
    def get(self, request: Request, enrollment_id: str) -> Response:
        enrollment = get_enrollment(workspace_id=principal_of(request).workspace_id, cuid=enrollment_id)
        told = {
            "transitions": enrollment.transitions.order_by("number"),
            "verdicts": enrollment.verdicts.order_by("id"),
        }
        return Response(HistorySerializer(told).data)
