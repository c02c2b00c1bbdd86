"""Changing programs, instances, and enrollments: the bodies, serializers, and use cases are those of REST."""

from typing import Any

import strawberry
from strawberry import Info

from accounts.graphql.doors import Needs, caller_of
from core.clock import utc_now
from core.graphql.shapes import body, checked, given

from ..api.programs.actions import (
    ActionView,
    ApproveView,
    EvaluateView,
    ReconsiderView,
    RejectView,
    SubmitView,
    UnenrollView,
)
from ..api.programs.evaluation import EvaluationBody
from ..api.programs.serializers import (
    ActionBody,
    DetailsBody,
    ExitBody,
    InstanceBody,
    NewEnrollmentBody,
    NewInstanceBody,
    NewProgramBody,
    ProgramBody,
    ReasonBody,
)
from ..changes import change_enrollment
from ..deletion import delete_enrollment
from ..details import EnrollmentDetails
from ..evaluation import request_evaluation
from ..identification import create_enrollment
from ..listing import get_enrollment
from ..programs import change_instance, change_program, create_instance, create_program, get_instance
from .types import WRITE, Enrollment, Job, Program, ProgramInstance


@body(NewProgramBody)
class NewProgram:
    """A program to offer."""


@body(ProgramBody)
class ProgramChanges:
    """The changes to a program; fields that are left out stay."""


@body(NewInstanceBody)
class NewProgramInstance:
    """A program instance to offer: its dates, price, and review mode."""


@body(InstanceBody)
class ProgramInstanceChanges:
    """The changes to an instance; price, currency, and tax rate each stay if left out."""


@body(NewEnrollmentBody)
class NewEnrollment:
    """One way to identify the person, and exactly the fields that it needs."""


@body(DetailsBody)
class EnrollmentChanges:
    """The changes to an enrollment: lists are replaced, metadata is merged (a key that is null is removed)."""


@body(ActionBody)
class StatusChange:
    """The details of a status change."""


@body(ReasonBody)
class Refusal:
    """The details of a refusal."""


@body(ExitBody)
class Exit:
    """The details of an exit."""


@body(EvaluationBody)
class EvaluationOptions:
    """How to evaluate all candidates of an instance."""


def _change_status(info: Info, view: type[ActionView], enrollment_id: str, sent: Any) -> Enrollment:
    return view.perform(caller_of(info), enrollment_id, given(sent) or {})  # type: ignore[return-value]


@strawberry.type
class EnrollmentsMutation:
    """Changing programs, their instances, and enrollments."""

    @strawberry.mutation(extensions=[Needs(WRITE)], description="Add a program. Its code names it for good.")
    def create_program(self, info: Info, input: NewProgram) -> Program:
        facts = checked(NewProgramBody, input).validated_data
        return create_program(workspace_id=caller_of(info).workspace_id, **facts)  # type: ignore[return-value]

    @strawberry.mutation(extensions=[Needs(WRITE)], description="Update the given fields of a program.")
    def change_program(self, info: Info, code: str, input: ProgramChanges) -> Program:
        changes = checked(ProgramBody, input).validated_data
        workspace_id = caller_of(info).workspace_id
        return change_program(workspace_id=workspace_id, code=code, changes=changes)  # type: ignore[return-value]

    @strawberry.mutation(extensions=[Needs(WRITE)], description="Offer a program.")
    def create_program_instance(self, info: Info, input: NewProgramInstance) -> ProgramInstance:
        facts = dict(checked(NewInstanceBody, input).validated_data)
        code = facts.pop("programCode")
        caller = caller_of(info)
        return create_instance(  # type: ignore[return-value]
            workspace_id=caller.workspace_id, program_code=code, facts=facts, actor=caller.actor, now=utc_now()
        )

    @strawberry.mutation(extensions=[Needs(WRITE)], description="Update the given fields of an instance.")
    def change_program_instance(self, info: Info, id: strawberry.ID, input: ProgramInstanceChanges) -> ProgramInstance:
        changes = checked(InstanceBody, input).validated_data
        caller = caller_of(info)
        return change_instance(  # type: ignore[return-value]
            workspace_id=caller.workspace_id, cuid=id, changes=changes, actor=caller.actor, now=utc_now()
        )

    @strawberry.mutation(
        extensions=[Needs(WRITE)], description="Evaluate every candidate of an instance in the background."
    )
    def evaluate_program_instance(self, info: Info, id: strawberry.ID, input: EvaluationOptions | None = None) -> Job:
        options = checked(EvaluationBody, input).validated_data
        caller = caller_of(info)
        instance = get_instance(workspace_id=caller.workspace_id, cuid=id)
        return request_evaluation(  # type: ignore[return-value]
            instance_id=instance.pk,
            actor=caller.actor,
            are_families_told=options["tellFamilies"],
            now=utc_now(),
        )

    @strawberry.mutation(extensions=[Needs(WRITE)], description="Enroll somebody as a candidate.")
    def create_enrollment(self, info: Info, program_instance_id: strawberry.ID, input: NewEnrollment) -> Enrollment:
        asked = checked(NewEnrollmentBody, input)
        caller = caller_of(info)
        instance = get_instance(workspace_id=caller.workspace_id, cuid=program_instance_id)
        return create_enrollment(  # type: ignore[return-value]
            workspace_id=caller.workspace_id,
            instance_id=instance.pk,
            identification=asked.identification(),
            details=EnrollmentDetails(**asked.details()),
            actor=caller.actor,
            now=utc_now(),
        )

    @strawberry.mutation(extensions=[Needs(WRITE)], description="Update what is known about the enrolled person.")
    def change_enrollment(self, info: Info, id: strawberry.ID, input: EnrollmentChanges) -> Enrollment:
        changes = checked(DetailsBody, input).details()
        caller = caller_of(info)
        found = get_enrollment(workspace_id=caller.workspace_id, cuid=id)
        change_enrollment(enrollment_id=found.pk, changes=changes, actor=caller.actor, now=utc_now())
        return get_enrollment(workspace_id=caller.workspace_id, cuid=id)  # type: ignore[return-value]

    @strawberry.mutation(
        extensions=[Needs(WRITE)], description="Delete an enrollment and return what it holds. Returns its id."
    )
    def delete_enrollment(self, info: Info, id: strawberry.ID) -> strawberry.ID:
        caller = caller_of(info)
        found = get_enrollment(workspace_id=caller.workspace_id, cuid=id)
        delete_enrollment(enrollment_id=found.pk, actor=caller.actor, now=utc_now())
        return id

    @strawberry.mutation(extensions=[Needs(WRITE)], description="Evaluate the criteria for a candidate.")
    def evaluate_enrollment(self, info: Info, id: strawberry.ID, input: StatusChange | None = None) -> Enrollment:
        return _change_status(info, EvaluateView, id, input)

    @strawberry.mutation(extensions=[Needs(WRITE)], description="Ask for review.")
    def submit_enrollment(self, info: Info, id: strawberry.ID, input: StatusChange | None = None) -> Enrollment:
        return _change_status(info, SubmitView, id, input)

    @strawberry.mutation(extensions=[Needs(WRITE)], description="Accept into the program.")
    def approve_enrollment(self, info: Info, id: strawberry.ID, input: StatusChange | None = None) -> Enrollment:
        return _change_status(info, ApproveView, id, input)

    @strawberry.mutation(extensions=[Needs(WRITE)], description="Refuse, with a reason.")
    def reject_enrollment(self, info: Info, id: strawberry.ID, input: Refusal) -> Enrollment:
        return _change_status(info, RejectView, id, input)

    @strawberry.mutation(extensions=[Needs(WRITE)], description="Leave the program, at once or on a later day.")
    def unenroll_enrollment(self, info: Info, id: strawberry.ID, input: Exit) -> Enrollment:
        return _change_status(info, UnenrollView, id, input)

    @strawberry.mutation(extensions=[Needs(WRITE)], description="Start over after the criteria changed.")
    def reconsider_enrollment(self, info: Info, id: strawberry.ID, input: StatusChange | None = None) -> Enrollment:
        return _change_status(info, ReconsiderView, id, input)
