"""The Router's endpoints: parse, call one use case, render."""

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.principals import principal_of
from core.errors import NotFound
from core.http.idempotency import AlreadyAnswered, claim_for, idempotent, replay
from core.http.pagination import PageQuery, array_page

from ...models import DistrictSeatAllocation, EnrollmentDecision
from ...queries import allocations_of, decisions_of, find_allocation, find_instance_id
from ...routing.request import LearnerProfile, RoutingContext
from ...routing.route import route_learner
from ...seats import create_allocation, update_allocation
from .examples import ALLOCATE, CHANGE_ALLOCATION, ENROLL
from .filters import DecisionFilter
from .serializers import (
    ActiveQuery,
    AllocationCreateSerializer,
    AllocationSerializer,
    AllocationUpdateSerializer,
    DecisionSerializer,
    EnrollmentRequestSerializer,
    InstanceQuery,
    RoutingResultSerializer,
)

# Bound once: building the serializer's fields again for every request costs as much as validating with them.
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
        try:
            routed = route_learner(
                workspace_id=caller.workspace_id,
                actor=caller.actor,
                profile=_profile(body["learner_profile"]),
                context=_context(body["context"]),
                claim=claim_for(request),
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


def _context(data: dict[str, Any]) -> RoutingContext:
    return RoutingContext(
        tenant_id=data.get("tenant_id"),
        guardian_id=data.get("guardian_id"),
        program_instance=data.get("program_instance_id"),
        received=dict(data),
    )


class DecisionListView(GenericAPIView[EnrollmentDecision]):
    """Routing decisions, newest first."""

    required_scopes = {"GET": "decisions:read"}
    queryset = EnrollmentDecision.objects.none()  # what the OpenAPI document needs to know the model
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
        decision = decisions_of(principal_of(request).workspace_id).filter(pk=decision_id).first()
        if decision is None:
            raise NotFound(f"There is no decision {decision_id} in this workspace.")
        return Response(DecisionSerializer(decision).data)


class AllocationCreateView(APIView):
    """Give a district seats."""

    required_scopes = {"POST": "districts:write"}

    @extend_schema(
        tags=["Router"],
        operation_id="districts_seats_create",
        request=AllocationCreateSerializer,
        responses=AllocationSerializer,
        examples=[ALLOCATE],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        body = AllocationCreateSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        reference = body.validated_data.get("program_instance_id")
        workspace_id = principal_of(request).workspace_id
        allocation = create_allocation(
            workspace_id=workspace_id,
            tenant_id=body.validated_data["tenant_id"],
            total_seats=body.validated_data["total_seats"],
            name=body.validated_data.get("name", ""),
            instance_id=find_instance_id(workspace_id=workspace_id, reference=reference),
        )
        return Response(AllocationSerializer(allocation).data)


class AllocationView(APIView):
    """A district's seats; `program_instance_id` picks the allocation for one program instead of the general one."""

    required_scopes = {"GET": "districts:read", "PUT": "districts:write"}

    def _allocation(self, request: Request, tenant_id: int) -> DistrictSeatAllocation:
        return find_allocation(
            workspace_id=principal_of(request).workspace_id,
            tenant_id=tenant_id,
            instance_cuid=InstanceQuery.read(request).get("program_instance_id"),
        )

    @extend_schema(
        tags=["Router"],
        operation_id="districts_seats_retrieve",
        parameters=[InstanceQuery],
        responses=AllocationSerializer,
    )
    def get(self, request: Request, tenant_id: int) -> Response:
        return Response(AllocationSerializer(self._allocation(request, tenant_id)).data)

    @extend_schema(
        tags=["Router"],
        operation_id="districts_seats_update",
        parameters=[InstanceQuery],
        request=AllocationUpdateSerializer,
        responses=AllocationSerializer,
        examples=[CHANGE_ALLOCATION],
    )
    def put(self, request: Request, tenant_id: int) -> Response:
        body = AllocationUpdateSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        allocation = self._allocation(request, tenant_id)
        changed = update_allocation(allocation_id=allocation.pk, **body.validated_data)
        return Response(AllocationSerializer(changed).data)


class AllocationListView(APIView):
    """All districts' allocations."""

    required_scopes = {"GET": "districts:read"}

    @extend_schema(
        tags=["Router"],
        operation_id="districts_list",
        parameters=[ActiveQuery, PageQuery],
        responses=AllocationSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        active_only = ActiveQuery.read(request)["active_only"]
        allocations = allocations_of(principal_of(request).workspace_id, active_only=active_only)
        return array_page(request, allocations, AllocationSerializer)
