"""What would have happened with other seats, for integrators who compare. Nothing about the question is stored."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.principals import Principal, principal_of
from core.clock import utc_now
from core.errors import Invalid, invalid_field, item_of, require
from core.http.idempotency import idempotent

from ...allocations.rehearsal import carry_out
from ...allocations.replay import Funding
from ...allocations.what_if import Seats, ask_what_if, cost_of, suppose
from ...imports.reading import Format
from ...imports.roster_replay import FundedLine, RosterOutcome, fund_roster
from ...models import District, ProgramInstance, WhatIf
from ...queries import find_instance_id
from .examples import ASK_WHAT_IF, TRY_ROSTER
from .seat_serializers import (
    RosterWhatIfOutcomeSerializer,
    RosterWhatIfSerializer,
    WhatIfOutcomeSerializer,
    WhatIfSerializer,
)


class WhatIfView(APIView):
    """Replay the requests of everybody who asked on these days, in the same order, with the supposed seats. No seat is
    assigned, and nothing is stored.
    """

    required_scopes = {"POST": "districts:read"}

    @extend_schema(
        tags=["Router"],
        operation_id="what_ifs_ask",
        request=WhatIfSerializer,
        responses=WhatIfOutcomeSerializer,
        examples=[ASK_WHAT_IF],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        body = WhatIfSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        told = body.validated_data
        principal = principal_of(request)
        totals = _totals(principal.workspace_id, told["seats"])

        def ask() -> dict[str, Any]:
            what_if = _ask(principal, told, totals)
            seats = what_if.proposals.select_related("district", "instance").order_by("district__tenant_id", "id")
            return {**what_if.result, "seats": list(seats)}

        return Response(WhatIfOutcomeSerializer(carry_out(ask, dry_run=True)).data)


class RosterWhatIfView(APIView):
    """Suppose that learners who are not enrolled yet request a program, with the supposed seats: who would be funded,
    and what would parents and districts pay? Neither the question nor the learners are stored.
    """

    required_scopes = {"POST": "districts:read"}

    @extend_schema(
        tags=["Router"],
        operation_id="what_ifs_ask_of_roster",
        request=RosterWhatIfSerializer,
        responses=RosterWhatIfOutcomeSerializer,
        examples=[TRY_ROSTER],
    )
    @idempotent
    def post(self, request: Request) -> Response:
        body = RosterWhatIfSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        told = body.validated_data
        principal = principal_of(request)
        totals = _totals(principal.workspace_id, told["seats"])
        instance_id = find_instance_id(workspace_id=principal.workspace_id, reference=told["program_instance_id"])
        instance = ProgramInstance.objects.select_related("price").get(pk=require(instance_id, "the body names one"))

        def ask() -> dict[str, Any]:
            what_if = _ask(principal, told, totals)
            outcome, lines = _fund(instance, told, what_if)
            seats = list(what_if.proposals.select_related("district", "instance").order_by("district__tenant_id", "id"))
            for proposal in seats:
                proposal.funded = outcome.taken[proposal.pk]
            return {
                "district": outcome.counted[Funding.DISTRICT],
                "parent": outcome.counted[Funding.PARENT],
                "faults": outcome.faults,
                "parents_pay": outcome.parents_pay,
                "districts_pay": cost_of(seats),
                "seats": seats,
                "lines": lines,
            }

        return Response(RosterWhatIfOutcomeSerializer(carry_out(ask, dry_run=True)).data)


def _ask(principal: Principal, told: Mapping[str, Any], totals: Mapping[Seats, int]) -> WhatIf:
    """Create a what-if for the given days, inside the rehearsal that rolls it back."""
    return ask_what_if(
        workspace_id=principal.workspace_id,
        name="Asked over the API",
        first_day=told["first_day"],
        last_day=told["last_day"],
        totals=totals,
        actor=principal.actor,
        now=utc_now(),
    )


def _fund(
    instance: ProgramInstance, told: Mapping[str, Any], what_if: WhatIf
) -> tuple[RosterOutcome, list[FundedLine]]:
    """Fund the roster's learners. Raises Invalid about the field `roster` if the file is at fault."""
    try:
        outcome, lines = fund_roster(
            instance=instance,
            tenant_id=told["tenant_id"],
            file=io.BytesIO(told["roster"].encode()),
            kind=Format.CSV,
            supply=suppose(what_if),
            now=utc_now(),
        )
        return outcome, list(lines)
    except Invalid as refusal:
        fault = refusal.errors[0]
        raise invalid_field("roster", fault.code, fault.detail) from refusal


def _totals(workspace_id: int, supposed: Sequence[Mapping[str, Any]]) -> dict[Seats, int]:
    """Return the supposed totals by district and instance. Raises Invalid for an unknown or repeated one."""
    known = dict(District.objects.filter(workspace=workspace_id).values_list("tenant_id", "pk"))
    totals: dict[Seats, int] = {}
    for number, each in enumerate(supposed):
        district_id = known.get(each["tenant_id"])
        field = item_of("seats", number, "tenant_id")
        if district_id is None:
            raise invalid_field(field, "not_found", "There is no such district in this workspace.")
        seats = (district_id, find_instance_id(workspace_id=workspace_id, reference=each["program_instance_id"]))
        if seats in totals:
            raise invalid_field(field, "twice", "Name each district and program once.")
        totals[seats] = each["total_seats"]
    return totals
