"""Routing decisions in GraphQL. Learners are routed only by REST, whose responses the router's document defines."""

from typing import Any

import strawberry
from django.db.models import QuerySet
from strawberry import Info

from accounts.graphql.doors import Needs, caller_of
from core.graphql.connections import FIRST, After, Connection, First, by_number
from core.graphql.filters import narrowed
from core.graphql.shapes import BigInt, shape

from ..api.router.filters import DecisionFilter
from ..api.router.serializers import DecisionSerializer
from ..models import EnrollmentDecision
from ..queries import decisions_of, get_decision

READ_DECISIONS = "decisions:read"


@shape(DecisionSerializer, leaving=["tenant_id"])
class Decision:
    """What the router decided about a learner, with the trace of rules that led to it."""

    @strawberry.field(description="The district that was asked for.")
    def tenant_id(self, root: strawberry.Parent[Any]) -> BigInt | None:
        asked_for: BigInt | None = root.tenant_id
        return asked_for


@strawberry.type
class DecisionsQuery:
    """What the router decided."""

    @strawberry.field(extensions=[Needs(READ_DECISIONS)], description="Routing decisions, newest first.")
    def decisions(
        self,
        info: Info,
        tenant_id: BigInt | None = None,
        guardian_id: str | None = None,
        status: str | None = None,
        provision_source: str | None = None,
        learner_email: str | None = None,
        first: First = FIRST,
        after: After = None,
    ) -> Connection[Decision]:
        found: QuerySet[EnrollmentDecision] = narrowed(
            decisions_of(caller_of(info).workspace_id),
            DecisionFilter,
            tenant_id=None if tenant_id is None else str(tenant_id),
            guardian_id=guardian_id,
            status=status,
            provision_source=provision_source,
            learner_email=learner_email,
        )
        return by_number(found, first=first, after=after)

    @strawberry.field(extensions=[Needs(READ_DECISIONS)], description="One routing decision.")
    def decision(self, info: Info, id: int) -> Decision:
        return get_decision(workspace_id=caller_of(info).workspace_id, decision_id=id)  # type: ignore[return-value]
