"""Programs, districts, and enrollments for every app's tests. States beyond the first are reached through use cases."""

import datetime as dt
from typing import Any

import factory

from accounts.models import Workspace
from accounts.tests.factories import LearnerFactory, WorkspaceFactory
from billing.models import Price
from core.actors import SYSTEM, Actor
from core.clock import utc_now
from core.http.idempotency import Claim
from core.tests.factories import RowFactory
from enrollments.lifecycle import approve_enrollment, evaluate_enrollment, submit_enrollment
from enrollments.models import District, DistrictSeatAllocation, Enrollment, Program, ProgramInstance
from enrollments.routing.request import LearnerProfile, RoutingContext
from enrollments.routing.result import Routed
from enrollments.routing.route import route_learner
from enrollments.seats import create_allocation
from enrollments.states import EligibilityStatus, IdentificationType, ReviewMode

STAFF = Actor("user", 1)


class ProgramFactory(RowFactory[Program]):
    class Meta:
        model = Program

    workspace = factory.SubFactory(WorkspaceFactory)
    code = factory.Sequence(lambda n: f"PROGRAM-{n}")
    title = factory.Sequence(lambda n: f"Program {n}")


class InstancePriceFactory(RowFactory[Price]):
    class Meta:
        model = Price

    workspace = factory.SubFactory(WorkspaceFactory)
    name = "Tuition"
    amount_minor = 4900
    currency = "usd"


class InstanceFactory(RowFactory[ProgramInstance]):
    """A default instance that reviews automatically and costs 49.00 USD."""

    class Meta:
        model = ProgramInstance

    workspace = factory.SubFactory(WorkspaceFactory)
    program = factory.SubFactory(ProgramFactory, workspace=factory.SelfAttribute("..workspace"))
    price = factory.SubFactory(InstancePriceFactory, workspace=factory.SelfAttribute("..workspace"))
    name = factory.Sequence(lambda n: f"Spring term {n}")
    is_default = True
    review_mode = ReviewMode.AUTOMATIC


class DistrictFactory(RowFactory[District]):
    class Meta:
        model = District

    workspace = factory.SubFactory(WorkspaceFactory)
    tenant_id = factory.Sequence(lambda n: n + 1)
    name = factory.Sequence(lambda n: f"District {n}")


class CandidateFactory(RowFactory[Enrollment]):
    """A candidate in a default instance, as an import would create one."""

    class Meta:
        model = Enrollment

    workspace = factory.SubFactory(WorkspaceFactory)
    instance = factory.SubFactory(InstanceFactory, workspace=factory.SelfAttribute("..workspace"))
    learner = factory.SubFactory(LearnerFactory, workspace=factory.SelfAttribute("..workspace"))
    identification_type = IdentificationType.CUSTOMER_ID


def seats(workspace: Workspace, *, total: int, tenant_id: int = 1, **more: Any) -> DistrictSeatAllocation:
    """Return an allocation of `total` seats for district `tenant_id`."""
    return create_allocation(workspace_id=workspace.pk, tenant_id=tenant_id, total_seats=total, now=utc_now(), **more)


def no_claim() -> Claim:
    """Return the claim of a request without an Idempotency-Key."""
    return Claim(scope="test", key=None, fingerprint="")


def route(
    workspace: Workspace,
    *,
    email: str = "jane@school.test",
    first_name: str = "Jane",
    last_name: str = "Doe",
    tenant_id: int | None = 1,
    guardian_id: str | None = None,
    learner_id: str | None = None,
    instance: ProgramInstance | None = None,
    claim: Claim | None = None,
    additional_info: dict[str, Any] | None = None,
    voucher: str = "",
    now: dt.datetime | None = None,
) -> Routed:
    """Route one learner as the API would."""
    received: dict[str, Any] = {"email": email, "first_name": first_name, "last_name": last_name}
    if additional_info is not None:
        received["additional_info"] = additional_info
    return route_learner(
        workspace_id=workspace.pk,
        actor=SYSTEM,
        profile=LearnerProfile(
            email=email, first_name=first_name, last_name=last_name, learner_id=learner_id, received=received
        ),
        context=RoutingContext(
            tenant_id=tenant_id,
            guardian_id=guardian_id,
            program_instance=instance.cuid if instance else None,
            voucher=voucher,
            received={"tenant_id": tenant_id, "guardian_id": guardian_id},
        ),
        claim=claim or no_claim(),
        now=now or utc_now(),
    )


def approved_enrollment(candidate: Enrollment, *, now: dt.datetime | None = None) -> Enrollment:
    """Return an approved enrollment, reviewed by a person if the instance does not approve automatically."""
    at = now or utc_now()
    evaluate_enrollment(enrollment_id=candidate.pk, actor=STAFF, now=at)
    enrollment = submit_enrollment(enrollment_id=candidate.pk, actor=STAFF, now=at)
    if enrollment.eligibility_status == EligibilityStatus.APPROVED:
        return enrollment
    return approve_enrollment(enrollment_id=candidate.pk, actor=STAFF, now=at)
