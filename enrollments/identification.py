"""Whom a new enrollment is for: a lead, a learner, an earlier enrollment's person, or one whom the request describes.

Each way needs exactly its own fields. Everything it names is looked up in one workspace.
"""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.db import IntegrityError, transaction

from accounts.leads import NEEDED, fill_lead, lock_lead
from accounts.learners import find_or_create_learner, lock_live_learner
from accounts.models import Lead, Learner
from core.actors import Actor
from core.addresses import canonical_address
from core.errors import FieldError, NotFound, Unavailable, invalid_field, refuse, require
from events.publishing import publish

from .details import EnrollmentDetails
from .errors import AlreadyEnrolled
from .history import Journal
from .locks import lock_enrollment
from .models import Enrollment, ProgramInstance
from .queries import refuse_closed
from .renewal import make_way, may_be_renewed
from .states import IdentificationType


@dataclass(frozen=True, slots=True, kw_only=True)
class ByLead:
    """A lead. The request may supply what is unknown about it, but not repeat what is known."""

    lead_id: str
    first_name: str = ""
    last_name: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True)
class ByLearner:
    """A learner, by their CUID."""

    customer_id: str


@dataclass(frozen=True, slots=True)
class ByEarlierEnrollment:
    """The person of an earlier enrollment, who enrolls again."""

    enrollment_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ByInfo:
    """A person by email and names: the learner who has them, or a new one."""

    first_name: str
    last_name: str
    email: str


Identification = ByLead | ByLearner | ByEarlierEnrollment | ByInfo

# The identifier that each type needs, as integrators spell it; customerInfo describes the person instead.
IDENTITIES = {
    IdentificationType.LEAD_ID: "leadId",
    IdentificationType.CUSTOMER_ID: "customerId",
    IdentificationType.ENROLLMENT_ID: "enrollmentId",
}
_TOLD_OTHERWISE = (IdentificationType.CUSTOMER_ID, IdentificationType.ENROLLMENT_ID)


def identity_faults(kind: IdentificationType, given: Mapping[str, Any]) -> list[FieldError]:
    """Return the fields that a request lacks, or has too many of, to identify a person in this way."""
    needed = IDENTITIES.get(kind)
    faults = [
        FieldError(name, "not_allowed", f"identificationType is {kind.value}: leave {name} out.")
        for name in IDENTITIES.values()
        if name != needed and given.get(name) is not None
    ]
    if needed and given.get(needed) is None:
        faults.append(FieldError(needed, "required", f"identificationType is {kind.value}: give it."))
    for name in NEEDED.values():
        if kind in _TOLD_OTHERWISE and given.get(name) is not None:
            faults.append(FieldError(name, "not_allowed", f"It is taken from what {needed} names: leave it out."))
        if kind is IdentificationType.CUSTOMER_INFO and given.get(name) is None:
            faults.append(FieldError(name, "required", "Give it: customerInfo needs first name, last name, and email."))
    return faults


@dataclass(frozen=True, slots=True)
class _Identified:
    """The person that an identification names, locked: a learner, a lead, or a lead that became a learner."""

    type: IdentificationType
    learner: Learner | None
    lead: Lead | None
    previous: Enrollment | None = None


@transaction.atomic
def create_enrollment(
    *,
    workspace_id: int,
    instance_id: int,
    identification: Identification,
    details: EnrollmentDetails,
    actor: Actor,
    now: dt.datetime,
) -> Enrollment:
    """Enroll a person as a candidate.

    A re-enrollment copies the contact and device details of the earlier enrollment unless new ones are given, but not
    its metadata. If the earlier one was refused in this same instance, it is replaced. Raises Invalid naming the fields
    as the API spells them, InstanceClosed, NotFound, and AlreadyEnrolled with the current enrollment of the same person
    in this instance.
    """
    details = details.checked()
    instance = _get_instance(workspace_id, instance_id)
    refuse_closed(instance, now)
    whom = _identify(workspace_id, identification, details)
    _withdraw_refused(whom.previous, instance, actor, now)
    _refuse_second(whom, instance)
    enrollment = Enrollment(
        workspace_id=workspace_id,
        instance=instance,
        learner=whom.learner,
        lead=whom.lead,
        previous=whom.previous,
        identification_type=whom.type,
        end_date=instance.end_date,
        created_at=now,
    )
    journal = Journal(enrollment, actor, now)
    journal.set(**_details_of(details, whom.previous))
    try:
        with transaction.atomic():
            events = journal.write()
    except IntegrityError:
        _refuse_second(whom, instance)
        raise
    publish(*events)
    return enrollment


def _get_instance(workspace_id: int, instance_id: int) -> ProgramInstance:
    found = ProgramInstance.objects.filter(pk=instance_id, workspace=workspace_id)
    instance = found.select_related("program", "workspace").first()
    if instance is None:
        raise NotFound("There is no such program instance in this workspace.")
    return instance


def _identify(workspace_id: int, named: Identification, details: EnrollmentDetails) -> _Identified:
    if isinstance(named, ByLead):
        lead, learner = _find_lead(workspace_id, named)
        return _Identified(IdentificationType.LEAD_ID, learner, lead)
    if isinstance(named, ByLearner):
        return _Identified(IdentificationType.CUSTOMER_ID, _find_learner(workspace_id, named.customer_id), None)
    if isinstance(named, ByEarlierEnrollment):
        return _find_earlier(workspace_id, named.enrollment_id)
    _refuse_missing(named)
    learner, _ = find_or_create_learner(
        workspace_id=workspace_id,
        email=named.email,
        first_name=named.first_name,
        last_name=named.last_name,
        phone=details.phone,
        address=details.address,
    )
    return _Identified(IdentificationType.CUSTOMER_INFO, learner, None)


def _find_lead(workspace_id: int, named: ByLead) -> tuple[Lead, Learner | None]:
    found = Lead.objects.filter(cuid=named.lead_id, workspace=workspace_id).first()
    if found is None:
        raise invalid_field("leadId", "not_found", "There is no such lead in this workspace.")
    lead, learner = lock_lead(found.pk)
    told = {field: value for field in NEEDED if (value := getattr(named, field))}
    known = [FieldError(NEEDED[field], "not_allowed", _KNOWN) for field in told if getattr(lead, field)]
    missing = [
        FieldError(spelled, "required", "It is unknown of this lead: send it, or change the lead first.")
        for field, spelled in NEEDED.items()
        if learner is None and not (getattr(lead, field) or field in told)
    ]
    refuse(known + missing)
    if "email" in told:
        told["email"] = canonical_address(told["email"])
    fill_lead(lead, known=told)
    return lead, learner


_KNOWN = "It is known of this lead, and is taken from there: leave it out."


def _find_learner(workspace_id: int, cuid: str) -> Learner:
    known = Learner.objects.filter(workspace=workspace_id).known_as(cuid).first()
    if known is None:
        raise invalid_field("customerId", "not_found", "There is no such learner in this workspace.")
    return lock_live_learner(known.pk)


def _find_earlier(workspace_id: int, cuid: str) -> _Identified:
    earlier = Enrollment.objects.kept().filter(cuid=cuid, workspace=workspace_id).first()
    if earlier is None:
        raise invalid_field("enrollmentId", "not_found", "There is no such enrollment in this workspace.")
    if earlier.learner_id is not None:
        return _Identified(
            IdentificationType.ENROLLMENT_ID, lock_live_learner(earlier.learner_id), earlier.lead, earlier
        )
    earlier = lock_enrollment(earlier.pk)  # before its lead, as an approval does
    if earlier.learner_id is not None:
        raise Unavailable("The earlier enrollment was approved just now; repeat the request.")
    lead, learner = lock_lead(require(earlier.lead_id, "an enrollment without a learner is about a lead"))
    return _Identified(IdentificationType.ENROLLMENT_ID, learner, lead, earlier)


def _refuse_missing(named: ByInfo) -> None:
    refuse(
        [
            FieldError(spelled, "required", "Give it: customerInfo needs first name, last name, and email.")
            for field, spelled in NEEDED.items()
            if not getattr(named, field).strip()
        ]
    )


def _withdraw_refused(previous: Enrollment | None, instance: ProgramInstance, actor: Actor, now: dt.datetime) -> None:
    if previous is None or previous.instance_id != instance.pk:
        return
    earlier = lock_enrollment(previous.pk)
    if may_be_renewed(earlier):
        make_way(enrollment=earlier, actor=actor, now=now)


def _refuse_second(whom: _Identified, instance: ProgramInstance) -> None:
    """Refuse a second current enrollment of a person in an instance, whether as a learner or as the lead they were."""
    current = Enrollment.objects.current().filter(instance=instance)
    found = None
    if whom.learner is not None:
        found = current.filter(learner=whom.learner).first()
    if found is None and whom.lead is not None:
        found = current.filter(lead=whom.lead).first()
    if found is not None:
        raise already_enrolled(found, instance)


def already_enrolled(current: Enrollment, instance: ProgramInstance) -> AlreadyEnrolled:
    return AlreadyEnrolled(
        f"There is a current enrollment in {instance.name}, which is {current.eligibility_status}.",
        enrollment_id=current.cuid,
    )


def _details_of(details: EnrollmentDetails, previous: Enrollment | None) -> dict[str, object]:
    if previous is not None:
        inherited = {field: getattr(previous, field) for field in _INHERITED if not getattr(details, field)}
        details = replace(details, **inherited)
    return {field: getattr(details, field) for field in EnrollmentDetails.__dataclass_fields__}


# What the person keeps from year to year. Metadata belongs to one enrollment: its answers, its exit.
_INHERITED = (
    "phone",
    "address",
    "manufacturer_slugs",
    "serial_number",
    "reference_id",
    "reference_description",
    "tags",
)
