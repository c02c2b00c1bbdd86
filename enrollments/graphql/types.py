"""The GraphQL types of programs, their instances, and enrollments: REST's shapes, and links between them."""

from typing import Any

import strawberry
from django.db.models import F, Model, Prefetch
from strawberry import Info

from accounts.graphql.doors import Needs, caller_of
from accounts.graphql.people import READ as READ_PEOPLE
from accounts.graphql.people import Lead, Learner
from core.graphql.shapes import shape
from core.graphql.siblings import follow, gather

from ..api.programs.evaluation import JobSerializer
from ..api.programs.serializers import (
    CriterionSerializer,
    InstanceSerializer,
    ProgramSerializer,
    RefundTierSerializer,
)
from ..api.programs.shapes import EnrollmentSerializer, TransitionSerializer, VerdictSerializer
from ..eligibility.criteria import as_draft
from ..listing import find_enrollments
from ..models import Criterion as CriterionRow
from ..models import EligibilityVerdict, EnrollmentTransition, RefundPolicy
from ..models import Enrollment as EnrollmentRow
from ..models import Program as ProgramRow
from ..models import ProgramInstance as InstanceRow
from ..programs import list_instances, list_programs

READ = "enrollments:read"
WRITE = "enrollments:write"

_CRITERIA = Prefetch(
    "criteria",
    CriterionRow.objects.filter(version=F("instance__criteria_version")).order_by("position"),
    to_attr="told_criteria",
)
_IN_FORCE = RefundPolicy.objects.filter(replaced_at=None).prefetch_related("tiers")
_POLICIES = Prefetch("refund_policies", _IN_FORCE, to_attr="told_policies")
_POLICIES_OF_PROGRAM = Prefetch("refund_policies", _IN_FORCE.filter(instance=None), to_attr="told_policies")
_TRANSITIONS = Prefetch("transitions", EnrollmentTransition.objects.order_by("number"), to_attr="told_transitions")
_VERDICTS = Prefetch("verdicts", EligibilityVerdict.objects.order_by("pk"), to_attr="told_verdicts")


def is_row(model: type[Model]) -> Any:
    """Return the type check by which GraphQL recognizes an entity of a federated graph."""
    return classmethod(lambda cls, found, info: isinstance(found, model))


@shape(CriterionSerializer)
class Criterion:
    """One condition for eligibility."""


@shape(RefundTierSerializer)
class RefundTier:
    """How much of the price is kept, and until when, for future purchases."""


@shape(TransitionSerializer)
class Transition:
    """One change of one facet of an enrollment."""


@shape(VerdictSerializer)
class Verdict:
    """The result of one evaluation of an enrollment, and why."""


@shape(JobSerializer)
class Job:
    """A background job."""


@shape(ProgramSerializer, keys=["code"])
class Program:
    """A general offering of the workspace."""

    is_type_of = is_row(ProgramRow)

    @classmethod
    def resolve_references(cls, info: Info, codes: list[str]) -> dict[str, ProgramRow]:
        rows = list_programs(workspace_id=caller_of(info).workspace_id)
        return {row.code: row for row in rows.filter(code__in=codes)}


@shape(InstanceSerializer, keys=["id"])
class ProgramInstance:
    """A program as the workspace offers it: dates, price, criteria."""

    is_type_of = is_row(InstanceRow)

    @strawberry.field(description="Its program.")
    def program(self, root: strawberry.Parent[Any]) -> Program:
        found: Program = follow(root, "program")
        return found

    @strawberry.field(description="The criteria that apply, in their order.")
    def criteria(self, root: strawberry.Parent[Any]) -> list[Criterion]:
        return [as_draft(each) for each in gather(root, _CRITERIA)]  # type: ignore[misc]

    @strawberry.field(description="Its own refund rules or its program's, in their order; none: staff decide.")
    def refund_tiers(self, root: strawberry.Parent[Any]) -> list[RefundTier]:
        found = gather(root, _POLICIES) or gather(follow(root, "program"), _POLICIES_OF_PROGRAM)
        return [tier for policy in found for tier in policy.rules]

    @classmethod
    def resolve_references(cls, info: Info, cuids: list[str]) -> dict[str, InstanceRow]:
        rows = list_instances(workspace_id=caller_of(info).workspace_id)
        return {row.cuid: row for row in rows.filter(cuid__in=cuids)}


@shape(EnrollmentSerializer, keys=["id"])
class Enrollment:
    """A person's participation in a program instance."""

    is_type_of = is_row(EnrollmentRow)

    @strawberry.field(description="Its program instance.")
    def program_instance(self, root: strawberry.Parent[Any]) -> ProgramInstance:
        found: ProgramInstance = follow(root, "instance")
        return found

    @strawberry.field(
        extensions=[Needs(READ_PEOPLE)], description="The learner; null while the enrollment is about a lead."
    )
    def learner(self, root: strawberry.Parent[Any], info: Info) -> Learner | None:
        found: Learner | None = follow(root, "learner")
        return found

    @strawberry.field(extensions=[Needs(READ_PEOPLE)], description="The lead that the enrollment started from.")
    def lead(self, root: strawberry.Parent[Any], info: Info) -> Lead | None:
        found: Lead | None = follow(root, "lead")
        return found

    @strawberry.field(description="All of its transitions, oldest first.")
    def transitions(self, root: strawberry.Parent[Any]) -> list[Transition]:
        found: list[Transition] = gather(root, _TRANSITIONS)
        return found

    @strawberry.field(description="Its verdicts, oldest first.")
    def verdicts(self, root: strawberry.Parent[Any]) -> list[Verdict]:
        found: list[Verdict] = gather(root, _VERDICTS)
        return found

    @classmethod
    def resolve_references(cls, info: Info, cuids: list[str]) -> dict[str, EnrollmentRow]:
        rows = find_enrollments(workspace_id=caller_of(info).workspace_id, cuids=cuids)
        return {row.cuid: row for row in rows}
