"""Learners and leads in GraphQL: the same fields and input as in REST, through the same use cases."""

import strawberry
from django.db.models import QuerySet
from strawberry import Info

from core.graphql.connections import FIRST, After, Connection, First, by_number
from core.graphql.filters import narrowed
from core.graphql.shapes import body, checked, shape

from ..api.people_shapes import (
    LeadBody,
    LeadFilter,
    LeadSerializer,
    LearnerBody,
    LearnerFilter,
    LearnerSerializer,
    NewLearnerBody,
    told,
)
from ..leads import change_lead, create_lead, get_lead, list_leads
from ..learner_records import change_learner, get_learner, list_learners, register_learner
from ..models import Lead as LeadRow
from ..models import Learner as LearnerRow
from .doors import Needs, caller_of

READ = "learners:read"
WRITE = "learners:write"


@shape(LearnerSerializer)
class Learner:
    """A person who takes part in programs."""


@shape(LeadSerializer)
class Lead:
    """A prospect of whom something is known."""


@body(NewLearnerBody)
class NewLearner:
    """A learner to add."""


@body(LearnerBody)
class LearnerChanges:
    """Changes to a learner; omitted fields stay."""


@body(LeadBody)
class LeadDetails:
    """What is known about a lead."""


@strawberry.type
class PeopleQuery:
    """Learners and leads."""

    @strawberry.field(extensions=[Needs(READ)], description="Learners, newest first.")
    def learners(
        self,
        info: Info,
        external_id: str | None = None,
        email: str | None = None,
        first: First = FIRST,
        after: After = None,
    ) -> Connection[Learner]:
        rows = list_learners(workspace_id=caller_of(info).workspace_id)
        found: QuerySet[LearnerRow] = narrowed(rows, LearnerFilter, externalId=external_id, email=email)
        return by_number(found, first=first, after=after)

    @strawberry.field(
        extensions=[Needs(READ)],
        description="One learner; the id of a merged learner returns the learner it was merged into.",
    )
    def learner(self, info: Info, id: strawberry.ID) -> Learner:
        return get_learner(workspace_id=caller_of(info).workspace_id, cuid=id)  # type: ignore[return-value]

    @strawberry.field(extensions=[Needs(READ)], description="Leads, newest first.")
    def leads(
        self, info: Info, email: str | None = None, first: First = FIRST, after: After = None
    ) -> Connection[Lead]:
        rows = list_leads(workspace_id=caller_of(info).workspace_id)
        found: QuerySet[LeadRow] = narrowed(rows, LeadFilter, email=email)
        return by_number(found, first=first, after=after)

    @strawberry.field(extensions=[Needs(READ)], description="One lead.")
    def lead(self, info: Info, id: strawberry.ID) -> Lead:
        return get_lead(workspace_id=caller_of(info).workspace_id, cuid=id)  # type: ignore[return-value]


@strawberry.type
class PeopleMutation:
    """Changes to learners and leads."""

    @strawberry.mutation(extensions=[Needs(WRITE)], description="Add a learner.")
    def register_learner(self, info: Info, input: NewLearner) -> Learner:
        facts = told(checked(NewLearnerBody, input).validated_data)
        return register_learner(workspace_id=caller_of(info).workspace_id, **facts)  # type: ignore[return-value]

    @strawberry.mutation(extensions=[Needs(WRITE)], description="Update the given fields of a learner.")
    def change_learner(self, info: Info, id: strawberry.ID, input: LearnerChanges) -> Learner:
        changes = told(checked(LearnerBody, input).validated_data)
        return change_learner(  # type: ignore[return-value]
            workspace_id=caller_of(info).workspace_id, cuid=id, changes=changes
        )

    @strawberry.mutation(extensions=[Needs(WRITE)], description="Add a prospect.")
    def create_lead(self, info: Info, input: LeadDetails) -> Lead:
        facts = told(checked(LeadBody, input).validated_data)
        return create_lead(workspace_id=caller_of(info).workspace_id, **facts)  # type: ignore[return-value]

    @strawberry.mutation(extensions=[Needs(WRITE)], description="Update the given fields of a lead.")
    def change_lead(self, info: Info, id: strawberry.ID, input: LeadDetails) -> Lead:
        changes = told(checked(LeadBody, input).validated_data)
        workspace_id = caller_of(info).workspace_id
        change_lead(workspace_id=workspace_id, cuid=id, changes=changes)
        return get_lead(workspace_id=workspace_id, cuid=id)  # type: ignore[return-value]
