"""The changes of an enrollment's status: parse, call one use case, render."""

from collections.abc import Callable
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.principals import principal_of
from core.clock import utc_now
from core.http.idempotency import idempotent

from ...exit import plan_exit
from ...lifecycle import (
    approve_enrollment,
    evaluate_enrollment,
    reconsider_enrollment,
    reject_enrollment,
    submit_enrollment,
)
from ...listing import get_enrollment
from ...models import Enrollment
from .examples import ACT, EVALUATE, REJECT, UNENROLL
from .serializers import ActionBody, ExitBody, ReasonBody
from .shapes import EnrollmentSerializer

TAGS = ["Enrollments"]
UseCase = Callable[..., Enrollment]


class ActionView(APIView):
    """A change of the status by one use case."""

    required_scopes = {"POST": "enrollments:write"}
    use_case: ClassVar[UseCase]
    body: ClassVar[type[serializers.Serializer[Any]]] = ActionBody

    def act(self, request: Request, enrollment_id: str) -> Response:
        body = self.body(data=request.data)
        body.is_valid(raise_exception=True)
        caller = principal_of(request)
        found = get_enrollment(workspace_id=caller.workspace_id, cuid=enrollment_id)
        type(self).use_case(
            enrollment_id=found.pk, actor=caller.actor, now=utc_now(), **self.keywords(body.validated_data)
        )
        changed = get_enrollment(workspace_id=caller.workspace_id, cuid=enrollment_id)
        return Response(EnrollmentSerializer(changed).data)

    def keywords(self, given: dict[str, Any]) -> dict[str, Any]:
        return {
            "reason": given.get("reason") or "",
            "metadata": given.get("metadata"),
            "expected_status": given.get("expectedStatus"),
        }


class EvaluateView(ActionView):
    """Decide by the criteria whether a candidate is eligible."""

    use_case = staticmethod(evaluate_enrollment)

    @extend_schema(
        tags=TAGS,
        operation_id="evaluate_enrollment",
        request=ActionBody,
        responses=EnrollmentSerializer,
        examples=[EVALUATE],
    )
    @idempotent
    def post(self, request: Request, enrollment_id: str) -> Response:
        """The answer is eligible or ineligible, with the reason. One that is eligible is evaluated again."""
        return self.act(request, enrollment_id)


class SubmitView(ActionView):
    """Ask for review."""

    use_case = staticmethod(submit_enrollment)

    @extend_schema(
        tags=TAGS,
        operation_id="submit_enrollment",
        request=ActionBody,
        responses=EnrollmentSerializer,
        examples=[ACT],
    )
    @idempotent
    def post(self, request: Request, enrollment_id: str) -> Response:
        """Where review is automatic and nothing is left to pay, the answer is approved."""
        return self.act(request, enrollment_id)


class ApproveView(ActionView):
    """Accept into the program."""

    use_case = staticmethod(approve_enrollment)

    @extend_schema(
        tags=TAGS,
        operation_id="approve_enrollment",
        request=ActionBody,
        responses=EnrollmentSerializer,
        examples=[ACT],
    )
    @idempotent
    def post(self, request: Request, enrollment_id: str) -> Response:
        """Participation starts; a lead becomes a learner."""
        return self.act(request, enrollment_id)


class RejectView(ActionView):
    """Refuse, with a reason."""

    use_case = staticmethod(reject_enrollment)
    body = ReasonBody

    @extend_schema(
        tags=TAGS,
        operation_id="reject_enrollment",
        request=ReasonBody,
        responses=EnrollmentSerializer,
        examples=[REJECT],
    )
    @idempotent
    def post(self, request: Request, enrollment_id: str) -> Response:
        """What it held is given back."""
        return self.act(request, enrollment_id)


class UnenrollView(ActionView):
    """Leave the program."""

    use_case = staticmethod(plan_exit)
    body = ExitBody

    def keywords(self, given: dict[str, Any]) -> dict[str, Any]:
        return super().keywords(given) | {"effective_date": given.get("effectiveDate")}

    @extend_schema(
        tags=TAGS,
        operation_id="unenroll_enrollment",
        request=ExitBody,
        responses=EnrollmentSerializer,
        examples=[UNENROLL],
    )
    @idempotent
    def post(self, request: Request, enrollment_id: str) -> Response:
        """At once, or on a later day."""
        return self.act(request, enrollment_id)


class ReconsiderView(ActionView):
    """Start over after the criteria changed."""

    use_case = staticmethod(reconsider_enrollment)

    @extend_schema(
        tags=TAGS,
        operation_id="reconsider_enrollment",
        request=ActionBody,
        responses=EnrollmentSerializer,
        examples=[ACT],
    )
    @idempotent
    def post(self, request: Request, enrollment_id: str) -> Response:
        """Make an ineligible or rejected enrollment a candidate again; 409 `criteria_unchanged` if nothing changed."""
        return self.act(request, enrollment_id)
