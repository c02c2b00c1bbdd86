"""Changes of an enrollment's status: parse, call one use case, render."""

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.principals import Principal, principal_of
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
from .examples import APPROVE, EVALUATE, RECONSIDER, REJECT, SUBMIT, UNENROLL
from .serializers import ActionBody, ExitBody, ReasonBody
from .shapes import EnrollmentSerializer

TAGS = ["Enrollments"]
UseCase = Callable[..., Enrollment]


class ActionView(APIView):
    """A status change by one use case."""

    required_scopes = {"POST": "enrollments:write"}
    use_case: ClassVar[UseCase]
    body: ClassVar[type[serializers.Serializer[Any]]] = ActionBody

    @idempotent
    def post(self, request: Request, enrollment_id: str) -> Response:
        changed = self.perform(principal_of(request), enrollment_id, request.data)
        return Response(EnrollmentSerializer(changed).data)

    @classmethod
    def perform(cls, caller: Principal, enrollment_id: str, sent: Any) -> Enrollment:
        """Check the request body, and change the enrollment through the use case."""
        body = cls.body(data=sent)
        body.is_valid(raise_exception=True)
        found = get_enrollment(workspace_id=caller.workspace_id, cuid=enrollment_id)
        cls.use_case(enrollment_id=found.pk, actor=caller.actor, now=utc_now(), **cls.keywords(body.validated_data))
        return get_enrollment(workspace_id=caller.workspace_id, cuid=enrollment_id)

    @classmethod
    def keywords(cls, given: dict[str, Any]) -> dict[str, Any]:
        return {
            "reason": given.get("reason") or "",
            "metadata": given.get("metadata"),
            "expected_status": given.get("expectedStatus"),
        }


View = TypeVar("View", bound=type[ActionView])


def documented(verb: str, example: OpenApiExample) -> Callable[[View], View]:
    """Describe an action in the OpenAPI document, using its docstring."""

    def document(view: View) -> View:
        schema = extend_schema(
            tags=TAGS,
            operation_id=f"{verb}_enrollment",
            request=view.body,
            responses=EnrollmentSerializer,
            examples=[example],
        )
        return extend_schema_view(post=schema)(view)

    return document


@documented("evaluate", EVALUATE)
class EvaluateView(ActionView):
    """Evaluate a candidate against the criteria.

    The result is eligible or ineligible, with the reason. An eligible enrollment is evaluated again.
    """

    use_case = staticmethod(evaluate_enrollment)


@documented("submit", SUBMIT)
class SubmitView(ActionView):
    """Submit the enrollment for review.

    If review is automatic and nothing is left to pay, it is approved at once.
    """

    use_case = staticmethod(submit_enrollment)


@documented("approve", APPROVE)
class ApproveView(ActionView):
    """Accept the learner into the program.

    Participation starts; a lead becomes a learner.
    """

    use_case = staticmethod(approve_enrollment)


@documented("reject", REJECT)
class RejectView(ActionView):
    """Reject the enrollment, with a reason.

    Whatever it held is given back.
    """

    use_case = staticmethod(reject_enrollment)
    body = ReasonBody


@documented("unenroll", UNENROLL)
class UnenrollView(ActionView):
    """Leave the program.

    This takes effect at once, or on a later day.
    """

    use_case = staticmethod(plan_exit)
    body = ExitBody

    @classmethod
    def keywords(cls, given: dict[str, Any]) -> dict[str, Any]:
        return super().keywords(given) | {"effective_date": given.get("effectiveDate")}


@documented("reconsider", RECONSIDER)
class ReconsiderView(ActionView):
    """Start over after the criteria changed.

    Make an ineligible or rejected enrollment a candidate again; 409 `criteria_unchanged` if nothing changed, and
    `enrollment_over` if money came for it or a new enrollment has taken its place.
    """

    use_case = staticmethod(reconsider_enrollment)
