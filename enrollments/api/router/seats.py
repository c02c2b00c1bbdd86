"""Single allocations and their seats: use, the next term, and assigning, releasing, and moving seats."""

from collections.abc import Callable
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.models import Learner
from accounts.principals import principal_of
from core.clock import utc_now
from core.errors import NotFound, require
from core.http.idempotency import idempotent
from core.http.pagination import PageQuery, array_page

from ...allocations.forecast import forecast_seats
from ...allocations.holders import reassign_seat, release_holder, transfer_seat
from ...allocations.idle.reclaiming import sum_up_savings
from ...allocations.rehearsal import carry_out
from ...allocations.renewal import plan_renewal, renew_allocation
from ...allocations.roster import assign_roster, try_roster
from ...models import DistrictSeatAllocation, IdleSeat, ProgramInstance, SeatAssignment
from ...queries import find_instance_id
from ...states import HELD_SEATS
from .examples import REASSIGN_SEAT, RELEASE_SEAT, RENEW, SEAT_A_ROSTER, TRANSFER_SEAT
from .seat_serializers import (
    MovedSeatSerializer,
    ReassignSerializer,
    ReleaseSerializer,
    RenewalSerializer,
    RenewSerializer,
    RosterOutcomeSerializer,
    RosterSerializer,
    SeatSerializer,
    TransferSerializer,
    UsageSerializer,
)


class UsageView(APIView):
    """How an allocation is used, how long it lasts, and how many of its seats were taken back."""

    required_scopes = {"GET": "districts:read"}

    @extend_schema(tags=["Router"], operation_id="allocations_retrieve", responses=UsageSerializer)
    def get(self, request: Request, allocation_id: int) -> Response:
        allocation = find_own_allocation(request, allocation_id)
        answer = {
            "allocation": allocation,
            "forecast": forecast_seats([allocation], now=utc_now())[allocation.pk],
            "reclaimed": sum_up_savings(IdleSeat.objects.filter(seat__allocation=allocation)),
            "idle_days": allocation.idle_days,
            "grace_days": allocation.grace_days,
        }
        return Response(UsageSerializer(answer).data)


class HolderListView(APIView):
    """Who holds the seats of an allocation, the newest first."""

    required_scopes = {"GET": "districts:read"}

    @extend_schema(
        tags=["Router"],
        operation_id="allocations_seats_list",
        parameters=[PageQuery],
        responses=SeatSerializer(many=True),
    )
    def get(self, request: Request, allocation_id: int) -> Response:
        held = find_own_allocation(request, allocation_id).seats.filter(status__in=HELD_SEATS)
        return array_page(request, held.select_related("learner", "enrollment").order_by("-id"), SeatSerializer)


class RenewView(APIView):
    """Create the allocation of the next term from this one. If it was renewed before, the existing one is returned."""

    required_scopes = {"POST": "districts:write"}

    @extend_schema(
        tags=["Router"],
        operation_id="allocations_renew",
        request=RenewSerializer,
        responses=RenewalSerializer,
        examples=[RENEW],
    )
    @idempotent
    def post(self, request: Request, allocation_id: int) -> Response:
        body = RenewSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        chosen = dict(body.validated_data)
        dry_run = chosen.pop("dry_run")
        allocation = find_own_allocation(request, allocation_id)
        if dry_run:
            made: Any = plan_renewal(allocation=allocation, **chosen)
        else:
            made = renew_allocation(allocation_id=allocation.pk, **chosen, now=utc_now())
        answer = {
            "allocation_id": None if dry_run else made.pk,
            "program_instance_id": made.instance.cuid if made.instance else None,
            "term": made.term,
            "valid_from": made.valid_from,
            "valid_until": made.valid_until,
            "total_seats": made.total_seats,
            "dry_run": dry_run,
        }
        return Response(RenewalSerializer(answer).data)


class RosterView(APIView):
    """Give each learner of a list a seat of the allocation, each as a separate request. The criteria are evaluated when
    seats are assigned, not in a dry run.
    """

    required_scopes = {"POST": "districts:write"}

    @extend_schema(
        tags=["Router"],
        operation_id="allocations_roster",
        request=RosterSerializer,
        examples=[SEAT_A_ROSTER],
        responses=RosterOutcomeSerializer,
    )
    @idempotent
    def post(self, request: Request, allocation_id: int) -> Response:
        body = RosterSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        told = body.validated_data
        principal = principal_of(request)
        allocation = find_own_allocation(request, allocation_id)
        reference = told["program_instance_id"]
        instance_id = find_instance_id(workspace_id=principal.workspace_id, reference=reference)
        instance = ProgramInstance.objects.get(pk=require(instance_id, "the request names one"))
        if told["dry_run"]:
            lines = try_roster(allocation=allocation, instance=instance, text=told["roster"])
        else:
            lines = assign_roster(
                allocation_id=allocation.pk,
                instance_id=instance.pk,
                text=told["roster"],
                actor=principal.actor,
                now=utc_now(),
            )
        seated = sum(not line.fault for line in lines)
        answer = {"seated": seated, "lines": lines, "dry_run": told["dry_run"]}
        return Response(RosterOutcomeSerializer(answer).data)


class ReleaseView(APIView):
    """End the enrollment that holds a seat, which frees the seat."""

    required_scopes = {"POST": "districts:write"}

    @extend_schema(
        tags=["Router"],
        operation_id="seats_release",
        request=ReleaseSerializer,
        responses=MovedSeatSerializer,
        examples=[RELEASE_SEAT],
    )
    @idempotent
    def post(self, request: Request, seat_id: int) -> Response:
        body = ReleaseSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        told = body.validated_data
        seat = find_own_seat(request, seat_id)
        actor = principal_of(request).actor

        def change() -> SeatAssignment:
            release_holder(seat_id=seat.pk, actor=actor, reason=told["reason"], now=utc_now())
            return seat

        return _answer(change, dry_run=told["dry_run"])


class ReassignView(APIView):
    """End the enrollment that holds a seat, and enroll another learner with it: both, or neither."""

    required_scopes = {"POST": "districts:write"}

    @extend_schema(
        tags=["Router"],
        operation_id="seats_reassign",
        request=ReassignSerializer,
        responses=MovedSeatSerializer,
        examples=[REASSIGN_SEAT],
    )
    @idempotent
    def post(self, request: Request, seat_id: int) -> Response:
        body = ReassignSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        told = body.validated_data
        principal = principal_of(request)
        seat = find_own_seat(request, seat_id)
        learner = Learner.objects.known_as(told["learner_id"]).filter(workspace=principal.workspace_id).first()
        if learner is None:
            raise NotFound("learner_id: there is no such learner in this workspace.")

        def change() -> SeatAssignment:
            decision = reassign_seat(
                seat_id=seat.pk, learner_id=learner.pk, actor=principal.actor, reason=told["reason"], now=utc_now()
            )
            return require(decision.seat, "whoever is enrolled with a seat has it")

        return _answer(change, dry_run=told["dry_run"])


class TransferView(APIView):
    """Move a held seat to another allocation of its district. The enrollment stays as it is."""

    required_scopes = {"POST": "districts:write"}

    @extend_schema(
        tags=["Router"],
        operation_id="seats_transfer",
        request=TransferSerializer,
        responses=MovedSeatSerializer,
        examples=[TRANSFER_SEAT],
    )
    @idempotent
    def post(self, request: Request, seat_id: int) -> Response:
        body = TransferSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        told = body.validated_data
        seat = find_own_seat(request, seat_id)
        target = find_own_allocation(request, told["allocation_id"])
        return _answer(
            lambda: transfer_seat(seat_id=seat.pk, allocation_id=target.pk, now=utc_now()), dry_run=told["dry_run"]
        )


def _answer(change: Callable[[], SeatAssignment], *, dry_run: bool) -> Response:
    """Return the seat as it is after the change, read before a dry run is rolled back."""

    def change_and_tell() -> dict[str, Any]:
        seat = SeatAssignment.objects.select_related("learner", "enrollment").get(pk=change().pk)
        return dict(MovedSeatSerializer(seat, context={"dry_run": dry_run}).data)

    return Response(carry_out(change_and_tell, dry_run=dry_run))


def find_own_allocation(request: Request, allocation_id: int) -> DistrictSeatAllocation:
    """Return an allocation of the caller's workspace. Raises NotFound."""
    rows = DistrictSeatAllocation.objects.select_related("district__workspace", "instance")
    found = rows.filter(pk=allocation_id, district__workspace=principal_of(request).workspace_id).first()
    if found is None:
        raise NotFound("There is no such allocation in this workspace.")
    return found


def find_own_seat(request: Request, seat_id: int) -> SeatAssignment:
    """Return a seat of the caller's workspace. Raises NotFound."""
    rows = SeatAssignment.objects.filter(allocation__district__workspace=principal_of(request).workspace_id)
    found = rows.filter(pk=seat_id).first()
    if found is None:
        raise NotFound("There is no such seat in this workspace.")
    return found
