"""Reading programs, instances, and enrollments: the same use cases as REST, in the form of connections."""

import strawberry
from strawberry import Info

from accounts.graphql.doors import Needs, caller_of
from core.graphql.connections import FIRST, After, Connection, First, by_moment
from core.graphql.shapes import body, checked, shape
from core.http.cursors import find_page

from ..api.programs.evaluation import TrialBody, TrialSerializer, try_out
from ..api.programs.filters import EnrollmentQuery
from ..evaluation import get_job
from ..listing import Filters, get_enrollment, list_enrollments
from ..programs import get_instance, get_program, list_instances, list_programs
from .types import READ, Enrollment, Job, Program, ProgramInstance


@body(EnrollmentQuery)
class EnrollmentFilter:
    """The filters of a list of enrollments, combined with AND."""


@body(TrialBody)
class CriteriaToTry:
    """Criteria that do not apply yet, or no longer apply, and one person described by the names that criteria use."""


@shape(TrialSerializer)
class CriteriaTrial:
    """What the criteria would change, and for whom."""


@strawberry.type
class EnrollmentsQuery:
    """Programs, their instances, and enrollments."""

    @strawberry.field(extensions=[Needs(READ)], description="Programs, newest first.")
    def programs(self, info: Info, first: First = FIRST, after: After = None) -> Connection[Program]:
        rows = list_programs(workspace_id=caller_of(info).workspace_id)
        return by_moment(lambda asked: find_page(rows, asked), first=first, after=after)

    @strawberry.field(extensions=[Needs(READ)], description="One program.")
    def program(self, info: Info, code: str) -> Program:
        return get_program(workspace_id=caller_of(info).workspace_id, code=code)  # type: ignore[return-value]

    @strawberry.field(extensions=[Needs(READ)], description="Program instances, newest first.")
    def program_instances(self, info: Info, first: First = FIRST, after: After = None) -> Connection[ProgramInstance]:
        rows = list_instances(workspace_id=caller_of(info).workspace_id)
        return by_moment(lambda asked: find_page(rows, asked), first=first, after=after)

    @strawberry.field(extensions=[Needs(READ)], description="One program instance.")
    def program_instance(self, info: Info, id: strawberry.ID) -> ProgramInstance:
        return get_instance(workspace_id=caller_of(info).workspace_id, cuid=id)  # type: ignore[return-value]

    @strawberry.field(
        extensions=[Needs(READ)],
        description="The enrollments of an instance, newest first. A page with few items or none is the last one only "
        "if hasNextPage is false: where filters leave little, each request looks through a limited part of the list.",
    )
    def enrollments(
        self,
        info: Info,
        program_instance_id: strawberry.ID,
        filter: EnrollmentFilter | None = None,
        first: First = FIRST,
        after: After = None,
    ) -> Connection[Enrollment]:
        filters = Filters(**checked(EnrollmentQuery, filter).validated_data)
        instance = get_instance(workspace_id=caller_of(info).workspace_id, cuid=program_instance_id)
        return by_moment(
            lambda asked: list_enrollments(instance=instance, filters=filters, asked=asked), first=first, after=after
        )

    @strawberry.field(extensions=[Needs(READ)], description="One enrollment.")
    def enrollment(self, info: Info, id: strawberry.ID) -> Enrollment:
        return get_enrollment(workspace_id=caller_of(info).workspace_id, cuid=id)  # type: ignore[return-value]

    @strawberry.field(
        extensions=[Needs(READ)],
        description=(
            "What each current enrollment, and a sample, would become under other criteria; nothing is stored."
        ),
    )
    def try_criteria(self, info: Info, program_instance_id: strawberry.ID, input: CriteriaToTry) -> CriteriaTrial:
        asked = checked(TrialBody, input)
        instance = get_instance(workspace_id=caller_of(info).workspace_id, cuid=program_instance_id)
        return try_out(instance, asked)  # type: ignore[return-value]

    @strawberry.field(extensions=[Needs(READ)], description="The progress of a background job.")
    def job(self, info: Info, id: strawberry.ID) -> Job:
        return get_job(workspace_id=caller_of(info).workspace_id, cuid=id)  # type: ignore[return-value]
