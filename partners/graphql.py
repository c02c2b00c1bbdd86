"""Partners in GraphQL: the partners, the progress of learners there, and the actions on a step.

Whatever involves a secret or a key, and the partners of a program, are available only through REST.
"""

from collections.abc import Callable
from typing import Any

import strawberry
from strawberry import Info

from accounts.graphql.doors import Needs, caller_of
from core.clock import utc_now
from core.graphql.connections import FIRST, After, Connection, First, by_moment
from core.graphql.shapes import body, checked, shape
from core.graphql.siblings import tie
from core.http.cursors import find_page

from .api.certificates import CertificateSerializer
from .api.serializers import (
    EvidenceBody,
    FiguresSerializer,
    PartnerStepSerializer,
    ProviderSerializer,
    ReassignBody,
    StepReasonBody,
)
from .interventions import complete_step_by_evidence, reassign_step, reopen_step, retry_step, skip_step
from .pipeline import pipeline_of
from .providers import pause_provider, resume_provider
from .queries import get_certificate, get_provider, get_step, list_providers, list_steps

READ = "partners:read"
WRITE = "partners:write"
READ_ENROLLMENTS = "enrollments:read"


@shape(ProviderSerializer)
class Partner:
    """An organization that teaches parts of programs."""


@shape(PartnerStepSerializer)
class PartnerStep:
    """A course that a learner takes at a partner."""


@shape(FiguresSerializer)
class PartnerFigures:
    """The progress of learners at a partner."""


@shape(CertificateSerializer)
class Certificate:
    """The proof that a program was completed."""


@body(StepReasonBody)
class StepReason:
    """The reason for changing a step."""


@body(EvidenceBody)
class StepEvidence:
    """Why a step counts as completed, with the evidence."""


@body(ReassignBody)
class StepReassignment:
    """Where to send a learner instead, and why."""


def _change_step(info: Info, use_case: Callable[..., Any], enrollment_id: str, id: str, facts: Any) -> PartnerStep:
    caller = caller_of(info)
    found = get_step(workspace_id=caller.workspace_id, enrollment_cuid=enrollment_id, cuid=id)
    changed: PartnerStep = use_case(step_id=found.pk, actor=caller.actor, now=utc_now(), **facts)
    return changed


@strawberry.type
class PartnersQuery:
    """Partners, and learners at partners."""

    @strawberry.field(extensions=[Needs(READ)], description="Partners, newest first.")
    def partners(self, info: Info, first: First = FIRST, after: After = None) -> Connection[Partner]:
        rows = list_providers(workspace_id=caller_of(info).workspace_id)
        return by_moment(lambda asked: find_page(rows, asked), first=first, after=after)

    @strawberry.field(extensions=[Needs(READ)], description="One partner.")
    def partner(self, info: Info, slug: str) -> Partner:
        return get_provider(workspace_id=caller_of(info).workspace_id, slug=slug)  # type: ignore[return-value]

    @strawberry.field(
        extensions=[Needs(READ)],
        description="For each partner: how many are where, how many complete, how long it takes and who is stuck.",
    )
    def partner_pipeline(self, info: Info) -> list[PartnerFigures]:
        figures: list[Any] = list(pipeline_of(workspace_id=caller_of(info).workspace_id, now=utc_now()))
        return figures

    @strawberry.field(
        extensions=[Needs(READ)], description="The steps that an enrollment takes at partners, in their order."
    )
    def partner_steps(self, info: Info, enrollment_id: strawberry.ID) -> list[PartnerStep]:
        steps: Any = list(list_steps(workspace_id=caller_of(info).workspace_id, enrollment_cuid=enrollment_id))
        return list(tie(steps))

    @strawberry.field(
        extensions=[Needs(READ_ENROLLMENTS)],
        description="The latest certificate of an enrollment, whether valid or revoked.",
    )
    def certificate(self, info: Info, enrollment_id: strawberry.ID) -> Certificate:
        return get_certificate(  # type: ignore[return-value]
            workspace_id=caller_of(info).workspace_id, enrollment_cuid=enrollment_id
        )


@strawberry.type
class PartnersMutation:
    """Actions on partners, and on learners there."""

    @strawberry.mutation(
        extensions=[Needs(WRITE)], description="Stop sending learners to a partner until it is resumed."
    )
    def pause_partner(self, info: Info, slug: str) -> Partner:
        return _change_partner(info, pause_provider, slug)

    @strawberry.mutation(extensions=[Needs(WRITE)], description="Send learners to a partner again.")
    def resume_partner(self, info: Info, slug: str) -> Partner:
        return _change_partner(info, resume_provider, slug)

    @strawberry.mutation(extensions=[Needs(WRITE)], description="Ask the partner again about a failed step.")
    def retry_partner_step(
        self, info: Info, enrollment_id: strawberry.ID, id: strawberry.ID, input: StepReason
    ) -> PartnerStep:
        facts = checked(StepReasonBody, input).validated_data
        return _change_step(info, retry_step, enrollment_id, id, facts)

    @strawberry.mutation(extensions=[Needs(WRITE)], description="Skip a step that is not finished: it counts as done.")
    def skip_partner_step(
        self, info: Info, enrollment_id: strawberry.ID, id: strawberry.ID, input: StepReason
    ) -> PartnerStep:
        facts = checked(StepReasonBody, input).validated_data
        return _change_step(info, skip_step, enrollment_id, id, facts)

    @strawberry.mutation(extensions=[Needs(WRITE)], description="Complete a step that has begun, with evidence.")
    def complete_partner_step(
        self, info: Info, enrollment_id: strawberry.ID, id: strawberry.ID, input: StepEvidence
    ) -> PartnerStep:
        facts = checked(EvidenceBody, input).validated_data
        return _change_step(info, complete_step_by_evidence, enrollment_id, id, facts)

    @strawberry.mutation(
        extensions=[Needs(WRITE)], description="Send the learner to another partner, or to another course."
    )
    def reassign_partner_step(
        self, info: Info, enrollment_id: strawberry.ID, id: strawberry.ID, input: StepReassignment
    ) -> PartnerStep:
        facts = checked(ReassignBody, input).validated_data
        return _change_step(info, reassign_step, enrollment_id, id, facts)

    @strawberry.mutation(extensions=[Needs(WRITE)], description="Reopen a step that was completed or skipped.")
    def reopen_partner_step(
        self, info: Info, enrollment_id: strawberry.ID, id: strawberry.ID, input: StepReason
    ) -> PartnerStep:
        facts = checked(StepReasonBody, input).validated_data
        return _change_step(info, reopen_step, enrollment_id, id, facts)


def _change_partner(info: Info, use_case: Callable[..., None], slug: str) -> Partner:
    workspace_id = caller_of(info).workspace_id
    use_case(provider_id=get_provider(workspace_id=workspace_id, slug=slug).pk, now=utc_now())
    return get_provider(workspace_id=workspace_id, slug=slug)  # type: ignore[return-value]
