"""Completing, on request, enrolments that are past their end: parse, call the use case, render."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.principals import principal_of
from core.clock import utc_now

from ...enrolments import describe_enrolments, list_enrolments
from ...expiry import expire_in_batches
from ...models import Enrollment
from .enrolments import TAGS
from .serializers import EnrolmentList

AT_MOST = 1_000


class ExpiredEnrolmentsView(APIView):
    """The enrolments that are past the end of their course."""

    required_scopes = {"PATCH": "enrollments:write"}

    @extend_schema(tags=TAGS, operation_id="complete_expired_enrolments", request=None, responses=EnrolmentList)
    def patch(self, request: Request) -> Response:
        """Complete up to 1,000 enrolments that are past their end, and list them.

        X-Remaining says how many are left for the next call; a sweep completes them in any case. An enrolment that
        can't be completed is skipped, and staff are notified.
        """
        caller = principal_of(request)
        now = utc_now()
        batches = expire_in_batches(
            workspace_id=caller.workspace_id, at_most=AT_MOST, actor=caller.actor, clock=lambda: now
        )
        done = [pk for batch in batches for pk in batch.completed]
        completed = list_enrolments(workspace_id=caller.workspace_id, numbers=done)
        document = EnrolmentList({"enrolments": describe_enrolments(completed, now=now)}).data
        remaining = Enrollment.objects.due_to_expire(now=now).filter(workspace=caller.workspace_id).count()
        return Response(document, headers={"X-Remaining": str(remaining)})
