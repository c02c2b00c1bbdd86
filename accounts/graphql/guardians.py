"""Guardians in GraphQL: the same fields and input as in REST, through the same use cases."""

from typing import Any

import strawberry
from django.db.models import QuerySet
from strawberry import Info

from core.clock import utc_now
from core.graphql.connections import FIRST, After, Connection, First, by_number
from core.graphql.filters import narrowed
from core.graphql.shapes import body, checked, shape
from core.graphql.siblings import tie

from ..api.serializers import (
    GuardianBody,
    GuardianFilter,
    GuardianLearnerSerializer,
    GuardianSerializer,
    InvitationSerializer,
    NewGuardianBody,
)
from ..guardian_records import change_guardian, get_guardian, list_guardians, register_guardian
from ..models import Guardian as GuardianRow
from .doors import Needs, caller_of
from .people import READ, WRITE


@shape(GuardianLearnerSerializer)
class GuardianLearner:
    """A learner whom a guardian answers for, by their ids."""


@shape(InvitationSerializer)
class GuardianInvitation:
    """A mail that asks a guardian to prove their address."""


@shape(GuardianSerializer, leaving=["learners", "invitation"])
class Guardian:
    """Somebody who answers for learners."""

    @strawberry.field(description="The learners the guardian is responsible for.")
    def learners(self, root: strawberry.Parent[Any]) -> list[GuardianLearner]:
        found: Any = tie(list(root.learners.all()))
        return list(found)

    @strawberry.field(description="The open invitation.")
    def invitation(self, root: strawberry.Parent[Any]) -> GuardianInvitation | None:
        waiting: list[GuardianInvitation] = root.open_invitations
        return waiting[0] if waiting else None


@body(NewGuardianBody)
class NewGuardian:
    """A guardian to add, known by externalId, email, or both."""


@body(GuardianBody)
class GuardianChanges:
    """Changes to a guardian; omitted fields stay, and learnerIds replaces the whole list."""


@strawberry.type
class GuardiansQuery:
    """Guardians of the workspace's learners."""

    @strawberry.field(extensions=[Needs(READ)], description="Guardians, newest first.")
    def guardians(
        self,
        info: Info,
        external_id: str | None = None,
        email: str | None = None,
        learner_id: str | None = None,
        first: First = FIRST,
        after: After = None,
    ) -> Connection[Guardian]:
        rows = list_guardians(workspace_id=caller_of(info).workspace_id)
        asked = {"externalId": external_id, "email": email, "learnerId": learner_id}
        found: QuerySet[GuardianRow] = narrowed(rows, GuardianFilter, **asked)
        return by_number(found, first=first, after=after)

    @strawberry.field(extensions=[Needs(READ)], description="One guardian.")
    def guardian(self, info: Info, id: int) -> Guardian:
        return get_guardian(workspace_id=caller_of(info).workspace_id, guardian_id=id)  # type: ignore[return-value]


@strawberry.type
class GuardiansMutation:
    """Changes to guardians."""

    @strawberry.mutation(extensions=[Needs(WRITE)], description="Add a guardian.")
    def register_guardian(self, info: Info, input: NewGuardian) -> Guardian:
        facts = checked(NewGuardianBody, input).validated_data
        workspace_id = caller_of(info).workspace_id
        made = register_guardian(workspace_id=workspace_id, **{"external_id": None, "email": None} | facts)
        return get_guardian(workspace_id=workspace_id, guardian_id=made.pk)  # type: ignore[return-value]

    @strawberry.mutation(extensions=[Needs(WRITE)], description="Update the given fields of a guardian.")
    def change_guardian(self, info: Info, id: int, input: GuardianChanges) -> Guardian:
        changes = checked(GuardianBody, input).validated_data
        workspace_id = caller_of(info).workspace_id
        change_guardian(workspace_id=workspace_id, guardian_id=id, changes=changes, now=utc_now())
        return get_guardian(workspace_id=workspace_id, guardian_id=id)  # type: ignore[return-value]
