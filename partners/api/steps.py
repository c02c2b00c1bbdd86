"""The steps of an enrollment, and what staff can do about them: parse, call one use case, render."""

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from drf_spectacular.utils import OpenApiExample, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.principals import principal_of
from core.clock import utc_now
from core.http.idempotency import idempotent

from ..interventions import complete_step_by_evidence, reassign_step, reopen_step, retry_step, skip_step
from ..models import EnrollmentStep
from ..queries import get_step, list_steps
from .examples import COMPLETE_STEP, REASSIGN_STEP, REOPEN_STEP, RETRY_STEP, SKIP_STEP
from .serializers import EvidenceBody, PartnerStepSerializer, ReassignBody, StepReasonBody

TAGS = ["Partners"]


class StepListView(APIView):
    """The steps of an enrollment at partners, in order."""

    required_scopes = {"GET": "partners:read"}

    @extend_schema(tags=TAGS, operation_id="list_partner_steps", responses=PartnerStepSerializer(many=True))
    def get(self, request: Request, enrollment_id: str) -> Response:
        steps = list_steps(workspace_id=principal_of(request).workspace_id, enrollment_cuid=enrollment_id)
        return Response(PartnerStepSerializer(steps, many=True).data)


class StepActionView(APIView):
    """A change of a step by one use case."""

    required_scopes = {"POST": "partners:write"}
    use_case: ClassVar[Callable[..., EnrollmentStep]]
    body: ClassVar[type[serializers.Serializer[Any]]] = StepReasonBody

    @idempotent
    def post(self, request: Request, enrollment_id: str, step_id: str) -> Response:
        body = self.body(data=request.data)
        body.is_valid(raise_exception=True)
        caller = principal_of(request)
        found = get_step(workspace_id=caller.workspace_id, enrollment_cuid=enrollment_id, cuid=step_id)
        changed = type(self).use_case(step_id=found.pk, actor=caller.actor, now=utc_now(), **body.validated_data)
        return Response(PartnerStepSerializer(changed).data)


View = TypeVar("View", bound=type[StepActionView])


def documented(verb: str, example: OpenApiExample) -> Callable[[View], View]:
    """Describe an action in the OpenAPI document, using its docstring."""

    def document(view: View) -> View:
        schema = extend_schema(
            tags=TAGS,
            operation_id=f"{verb}_partner_step",
            request=view.body,
            responses=PartnerStepSerializer,
            examples=[example],
        )
        return extend_schema_view(post=schema)(view)

    return document


@documented("retry", RETRY_STEP)
class RetryStepView(StepActionView):
    """Ask the partner again about a failed step."""

    use_case = staticmethod(retry_step)


@documented("skip", SKIP_STEP)
class SkipStepView(StepActionView):
    """Let an unfinished step count as done."""

    use_case = staticmethod(skip_step)


@documented("complete", COMPLETE_STEP)
class CompleteStepView(StepActionView):
    """Complete a step that has begun, with evidence.

    For a partner that has not reported it. A completed step stays as it is.
    """

    use_case = staticmethod(complete_step_by_evidence)
    body = EvidenceBody


@documented("reassign", REASSIGN_STEP)
class ReassignStepView(StepActionView):
    """Send the learner to another partner, or to another course.

    The response is the step that replaces this one, which is withdrawn; its partner is told if it has the learner.
    """

    use_case = staticmethod(reassign_step)
    body = ReassignBody


@documented("reopen", REOPEN_STEP)
class ReopenStepView(StepActionView):
    """Take back the completion or the skipping of a step.

    If the partner still has the learner, they continue there; otherwise the response is another step that replaces this
    one. A completed participation becomes active again, and its certificate is revoked.
    """

    use_case = staticmethod(reopen_step)
