"""The enrolment service's endpoints: parse, call one use case, render."""

import datetime as dt
from typing import Any

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.principals import principal_of
from core.clock import utc_now
from core.http.idempotency import idempotent
from core.http.pagination import PageQuery

from ...deletion import delete_enrollment
from ...enrolments import describe_enrolments, get_enrolment, list_active_enrolments
from ...models import Enrollment
from ...on_account import enroll_on_account
from .examples import CREATE, CREATED
from .serializers import EnrolmentList, EnrolmentSerializer, NewEnrolmentBody, UserQuery

TAGS = ["Enrolment service"]


def enrolment_document(enrollment: Enrollment, *, now: dt.datetime) -> Any:
    """One enrollment as this API shows it."""
    return EnrolmentSerializer(describe_enrolments([enrollment], now=now)[0]).data


class EnrolmentListView(APIView):
    """Enrolling learners on account."""

    required_scopes = {"POST": "enrollments:write"}

    @extend_schema(
        tags=TAGS,
        operation_id="create_enrolment",
        request=NewEnrolmentBody,
        responses={201: EnrolmentSerializer},
        examples=[CREATE, CREATED],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Enroll a learner on account: active at once, with the payment pending.

        If the course has no price, the payment is `not_required`. 409 `already_enrolled` while the learner has a
        current enrolment in the course, 409 `instance_full` or `instance_closed`, 422 `ineligible` if its criteria are
        not met.
        """
        body = NewEnrolmentBody(data=request.data)
        body.is_valid(raise_exception=True)
        caller = principal_of(request)
        now = utc_now()
        enrollment = enroll_on_account(
            workspace_id=caller.workspace_id,
            course_id=body.validated_data["course_id"],
            user_id=body.validated_data["user_id"],
            actor=caller.actor,
            now=now,
        )
        return Response(enrolment_document(enrollment, now=now), status=status.HTTP_201_CREATED)


class ActiveEnrolmentsView(APIView):
    """The current enrolments."""

    required_scopes = {"GET": "enrollments:read"}

    @extend_schema(tags=TAGS, operation_id="list_active_enrolments", parameters=[PageQuery], responses=EnrolmentList)
    def get(self, request: Request) -> Response:
        """List all current enrollments of the workspace, however they were made; X-Total-Count has the total."""
        asked = PageQuery.read(request)
        active = list_active_enrolments(workspace_id=principal_of(request).workspace_id)
        page = active[asked["offset"] : asked["offset"] + asked["limit"]]
        found = describe_enrolments(list(page), now=utc_now())
        document = EnrolmentList({"enrolments": found}).data
        return Response(document, headers={"X-Total-Count": str(active.count())})


class EnrolmentView(APIView):
    """One enrolment."""

    required_scopes = {"GET": "enrollments:read", "DELETE": "enrollments:write"}

    @extend_schema(tags=TAGS, operation_id="get_enrolment", responses=EnrolmentSerializer)
    def get(self, request: Request, enrolment_id: int) -> Response:
        found = get_enrolment(workspace_id=principal_of(request).workspace_id, number=enrolment_id)
        return Response(enrolment_document(found, now=utc_now()))

    @extend_schema(
        tags=TAGS, operation_id="delete_enrolment", responses={204: OpenApiResponse(description="It is gone")}
    )
    def delete(self, request: Request, enrolment_id: int) -> Response:
        """Delete the enrolment: what it held is given back, and the learner may enroll again."""
        caller = principal_of(request)
        found = get_enrolment(workspace_id=caller.workspace_id, number=enrolment_id)
        delete_enrollment(enrollment_id=found.pk, actor=caller.actor, now=utc_now())
        return Response(status=status.HTTP_204_NO_CONTENT)


class EnrolmentDetailsView(APIView):
    """One enrolment, for clients that act on behalf of its user."""

    required_scopes = {"GET": "enrollments:read"}

    @extend_schema(
        tags=TAGS, operation_id="get_enrolment_details", parameters=[UserQuery], responses=EnrolmentSerializer
    )
    def get(self, request: Request, enrolment_id: int) -> Response:
        """404 for another user's enrolment; 400 without `user_id`."""
        user_id = UserQuery.read(request)["user_id"]
        workspace_id = principal_of(request).workspace_id
        found = get_enrolment(workspace_id=workspace_id, number=enrolment_id, user_id=user_id)
        return Response(enrolment_document(found, now=utc_now()))
