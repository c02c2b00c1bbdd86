"""Routing a learner, and reading decisions: parse, call one use case, render."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.principals import principal_of
from billing.discounts import refuse_guessing
from core.clock import utc_now
from core.http.idempotency import AlreadyAnswered, claim_for, replay
from core.http.pagination import PageQuery, array_page

from ...models import EnrollmentDecision
from ...queries import decisions_of, get_decision
from ...routing.request import LearnerProfile, RoutingContext
from ...routing.route import route_learner
from .examples import ENROLL
from .filters import DecisionFilter
from .serializers import DecisionSerializer, EnrollmentRequestSerializer, RoutingResultSerializer

# Bound once: rebuilding the serializer's fields for every request costs as much as the validation itself.
_ENROLLMENT_REQUEST = EnrollmentRequestSerializer()


class EnrollView(APIView):
    """Route a learner: take a district seat, or send the parent to pay."""

    required_scopes = {"POST": "decisions:write"}

    @extend_schema(
        tags=["Router"],
        operation_id="enroll",
        request=EnrollmentRequestSerializer,
        responses=RoutingResultSerializer,
        examples=[ENROLL],
    )
    def post(self, request: Request) -> Response:
        body = _ENROLLMENT_REQUEST.run_validation(request.data)
        caller = principal_of(request)
        voucher = body.get("voucher", "")
        try:
            with refuse_guessing(request, principal=str(caller.actor), code=voucher):
                routed = route_learner(
                    workspace_id=caller.workspace_id,
                    actor=caller.actor,
                    profile=_profile(body["learner_profile"]),
                    context=_context(body["context"], voucher),
                    claim=claim_for(request),
                    now=utc_now(),
                )
        except AlreadyAnswered as answer:
            return replay(answer)
        if routed.refusal is not None:
            raise routed.refusal
        return Response(routed.answer())


def _profile(data: dict[str, Any]) -> LearnerProfile:
    return LearnerProfile(
        email=data["email"],
        first_name=data["first_name"],
        last_name=data["last_name"],
        learner_id=data.get("learner_id"),
        grade_level=data.get("grade_level") or "",
        school=data.get("school") or "",
        received=dict(data),
    )


def _context(data: dict[str, Any], voucher: str) -> RoutingContext:
    return RoutingContext(
        tenant_id=data.get("tenant_id"),
        guardian_id=data.get("guardian_id"),
        program_instance=data.get("program_instance_id"),
        voucher=voucher,
        received=dict(data),
    )


class DecisionListView(GenericAPIView[EnrollmentDecision]):
    """Routing decisions, newest first."""

    required_scopes = {"GET": "decisions:read"}
    queryset = EnrollmentDecision.objects.none()  # tells the OpenAPI document which model this is
    filterset_class = DecisionFilter
    serializer_class = DecisionSerializer

    def get_queryset(self) -> QuerySet[EnrollmentDecision]:
        return decisions_of(principal_of(self.request).workspace_id)

    @extend_schema(
        tags=["Router"],
        parameters=[PageQuery],
        responses=DecisionSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        return array_page(request, self.filter_queryset(self.get_queryset()), DecisionSerializer)


class DecisionView(APIView):
    """One routing decision with the trace of rules that led to it."""

    required_scopes = {"GET": "decisions:read"}

    @extend_schema(tags=["Router"], responses=DecisionSerializer)
    def get(self, request: Request, decision_id: int) -> Response:
        decision = get_decision(workspace_id=principal_of(request).workspace_id, decision_id=decision_id)
        return Response(DecisionSerializer(decision).data)
