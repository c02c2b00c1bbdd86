"""Learners and leads in GraphQL: what REST shows of them and takes, through the same use cases."""

import strawberry
from django.db.models import QuerySet
from strawberry import Info

from core.graphql.connections import FIRST, After, Connection, First, by_number
from core.graphql.filters import narrowed
from core.graphql.shapes import shape

from ..api.people_shapes import LeadFilter, LeadSerializer, LearnerFilter, LearnerSerializer
from ..leads import get_lead, list_leads
from ..learner_records import get_learner, list_learners
from ..models import Lead as LeadRow
from ..models import Learner as LearnerRow
from .doors import Needs, caller_of

READ = "learners:read"


@shape(LearnerSerializer)
class Learner:
    """Somebody who learns."""


@shape(LeadSerializer)
class Lead:
    """A prospect of whom something is known."""


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

    @strawberry.field(extensions=[Needs(READ)], description="One; the id of one who was merged leads to the other.")
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
