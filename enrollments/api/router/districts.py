"""Districts and their seats: parse, call one use case, render."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.principals import principal_of
from core.clock import utc_now
from core.http.idempotency import idempotent
from core.http.pagination import PageQuery, array_page

from ...models import DistrictSeatAllocation
from ...queries import allocations_of, find_allocation, find_instance_id
from ...seats import create_allocation, update_allocation
from .examples import ALLOCATE, CHANGE_ALLOCATION
from .serializers import (
    ActiveQuery,
    AllocationCreateSerializer,
    AllocationQuery,
    AllocationSerializer,
    AllocationUpdateSerializer,
)


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
            term=body.validated_data.get("term", ""),
            valid_from=body.validated_data.get("valid_from"),
            valid_until=body.validated_data.get("valid_until"),
            now=utc_now(),
        )
        return Response(AllocationSerializer(allocation).data)


class AllocationView(APIView):
    """A district's seats; `program_instance_id` selects the allocation for one program instead of the general one.

    If there are several, it is the first whose seats may be taken today, or else the next one to begin; `allocation_id`
    selects a specific one.
    """

    required_scopes = {"GET": "districts:read", "PUT": "districts:write"}

    def _allocation(self, request: Request, tenant_id: int) -> DistrictSeatAllocation:
        query = AllocationQuery.read(request)
        return find_allocation(
            workspace_id=principal_of(request).workspace_id,
            tenant_id=tenant_id,
            instance_cuid=query.get("program_instance_id"),
            allocation_id=query.get("allocation_id"),
            now=utc_now(),
        )

    @extend_schema(
        tags=["Router"],
        operation_id="districts_seats_retrieve",
        parameters=[AllocationQuery],
        responses=AllocationSerializer,
    )
    def get(self, request: Request, tenant_id: int) -> Response:
        return Response(AllocationSerializer(self._allocation(request, tenant_id)).data)

    @extend_schema(
        tags=["Router"],
        operation_id="districts_seats_update",
        parameters=[AllocationQuery],
        request=AllocationUpdateSerializer,
        responses=AllocationSerializer,
        examples=[CHANGE_ALLOCATION],
    )
    def put(self, request: Request, tenant_id: int) -> Response:
        body = AllocationUpdateSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        allocation = self._allocation(request, tenant_id)
        actor = principal_of(request).actor
        changed = update_allocation(allocation_id=allocation.pk, actor=actor, now=utc_now(), **body.validated_data)
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
