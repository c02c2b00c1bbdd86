"""Reads that more than one caller needs. Each takes the workspace, or an id that was looked up in it."""

import datetime as dt
from collections.abc import Collection

from django.db.models import BooleanField, ExpressionWrapper, F, Q, QuerySet
from django.urls import reverse

from billing.purposes import Matter, Service, as_subject, key_of
from core.compiled import compiled
from core.errors import NotFound, invalid_field
from core.local_time import local_date

from .errors import InstanceClosed, NoDefaultInstance
from .models import DistrictSeatAllocation, Enrollment, EnrollmentDecision, Inquiry, ProgramInstance
from .states import LIVE_DECISIONS, UNPAID, EligibilityStatus, InquiryStatus


@compiled
def _default_instance(workspace_id: int) -> QuerySet[ProgramInstance]:
    return _instances_to_enroll_in().filter(workspace=workspace_id, is_default=True)


@compiled
def _instance_by_id(workspace_id: int, instance_id: int) -> QuerySet[ProgramInstance]:
    return _instances_to_enroll_in().filter(workspace=workspace_id, pk=instance_id)


@compiled
def _instance_by_cuid(workspace_id: int, cuid: str) -> QuerySet[ProgramInstance]:
    return _instances_to_enroll_in().filter(workspace=workspace_id, cuid=cuid)


def _instances_to_enroll_in() -> QuerySet[ProgramInstance]:
    """Return instances with the columns needed of their program and workspace, neither of which is read in full."""
    is_open = ExpressionWrapper(Q(active=True, program__active=True), BooleanField())
    return ProgramInstance.objects.annotate(is_open=is_open, workspace_timezone=F("workspace__timezone"))


def find_instance(*, workspace_id: int, reference: str | int | None, now: dt.datetime) -> ProgramInstance:
    """Return the program instance that a request names, by CUID or integer id, or the workspace's default one.

    Raises Invalid naming the field if it does not exist in this workspace, is switched off, or has ended by `now`, and
    NoDefaultInstance if the request names none and there is no default.
    """
    field = "context.program_instance_id"
    if reference is None:
        instance = _default_instance.first(workspace_id)
    elif isinstance(reference, int):
        instance = _instance_by_id.first(workspace_id, reference)
    else:
        instance = _instance_by_cuid.first(workspace_id, reference)
    if instance is None and reference is None:
        raise NoDefaultInstance(f"Name one in {field}, or make one the default in the back office.")
    if instance is None:
        raise invalid_field(field, "not_found", "There is no such program instance in this workspace.")
    is_open: bool = instance.is_open  # type: ignore[attr-defined]  # selected with the row
    if closed := _why_closed(instance, is_open, now):
        raise invalid_field(field, *closed)
    return instance


def refuse_closed(instance: ProgramInstance, now: dt.datetime) -> None:
    """Raise InstanceClosed for an instance (selected with its program) in which nobody can enroll at `now`."""
    if closed := _why_closed(instance, instance.active and instance.program.active, now):
        raise InstanceClosed(closed[1])


def why_closed(instance: ProgramInstance, now: dt.datetime) -> str:
    """Return `inactive` or `ended` if nobody can enroll at `now`, else an empty text; select the program along."""
    closed = _why_closed(instance, instance.active and instance.program.active, now)
    return closed[0] if closed else ""


def _why_closed(instance: ProgramInstance, is_open: bool, now: dt.datetime) -> tuple[str, str] | None:
    if not is_open:
        return "inactive", f"{instance.name} does not take enrollments."
    if instance.end_date is not None and instance.end_date < local_date(now, instance.zone):
        return "ended", f"{instance.name} ended on {instance.end_date}."
    return None


def current_enrollment(*, learner_id: int, instance_id: int) -> Enrollment | None:
    """Return the learner's one enrollment in this instance that has not ended."""
    return Enrollment.objects.current().filter(learner=learner_id, instance=instance_id).first()


def decisions_of(workspace_id: int) -> QuerySet[EnrollmentDecision]:
    """Return all decisions of a workspace with what their representation shows, newest first."""
    return (
        EnrollmentDecision.objects.filter(workspace=workspace_id)
        .select_related("enrollment", "guardian", "checkout", "seat__allocation")
        .order_by("-id")
    )


def get_decision(*, workspace_id: int, decision_id: int) -> EnrollmentDecision:
    """Return one of them. Raises NotFound."""
    decision = decisions_of(workspace_id).filter(pk=decision_id).first()
    if decision is None:
        raise NotFound(f"There is no decision {decision_id} in this workspace.")
    return decision


def find_live_decision(*, enrollment_id: int) -> EnrollmentDecision | None:
    """Return the decision that funds an enrollment or waits for its payment."""
    return (
        EnrollmentDecision.objects.filter(enrollment=enrollment_id, status__in=LIVE_DECISIONS)
        .select_related("enrollment", "guardian", "checkout", "seat__allocation")
        .first()
    )


def describe_decision(subject: str) -> tuple[str, str]:
    """Return what staff read where billing refers to a decision as the thing paid for: a label and its page."""
    return f"Routing decision {subject}", reverse("admin:enrollments_enrollmentdecision_change", args=[subject])


def find_matters_of_decisions(subjects: Collection[str]) -> dict[str, Matter]:
    """Return what the checkouts of these decisions are about."""
    rows = EnrollmentDecision.objects.filter(pk__in=map(key_of, subjects))
    return {
        as_subject(decision.pk): Matter(
            str(decision.learner),
            decision.instance.full_title,
            reverse("admin:enrollments_enrollmentdecision_change", args=[decision.pk]),
        )
        for decision in rows.select_related("learner", "instance__program")
    }


def find_decisions_of_learners(learner_ids: Collection[int]) -> list[str]:
    """Return the decisions about these learners, as their checkouts name them."""
    rows = EnrollmentDecision.objects.filter(learner__in=learner_ids)
    return [as_subject(pk) for pk in rows.values_list("pk", flat=True)]


def find_learner_of_decision(subject: str) -> int | None:
    """Return the learner of a decision, by the subject of its checkout."""
    return EnrollmentDecision.objects.filter(pk=key_of(subject)).values_list("learner_id", flat=True).first()


def describe_enrollment(subject: str) -> tuple[str, str]:
    """Return what staff read where billing refers to an enrollment as the thing paid for."""
    enrollment = Enrollment.objects.select_related("instance__program").get(pk=key_of(subject))
    return enrollment.instance.full_title, reverse("admin:enrollments_enrollment_change", args=[subject])


def find_matters_of_enrollments(subjects: Collection[str]) -> dict[str, Matter]:
    """Return what the payments outside of Stripe for these enrollments are about."""
    rows = Enrollment.objects.filter(pk__in=map(key_of, subjects))
    return {
        as_subject(enrollment.pk): Matter(
            str(enrollment.person),
            enrollment.instance.full_title,
            reverse("admin:enrollments_enrollment_change", args=[enrollment.pk]),
        )
        for enrollment in rows.select_related("learner", "lead", "instance__program")
    }


def find_enrollments_of_learners(learner_ids: Collection[int]) -> list[str]:
    """Return the enrollments of these learners, as payments outside of Stripe name them."""
    return [as_subject(pk) for pk in Enrollment.objects.filter(learner__in=learner_ids).values_list("pk", flat=True)]


def find_learner_of_enrollment(subject: str) -> int | None:
    """Return the learner whose enrollment was paid for outside of Stripe."""
    return Enrollment.objects.filter(pk=key_of(subject)).values_list("learner_id", flat=True).first()


def find_service_of_enrollment(subject: str) -> Service | None:
    """Return what is provided for the price of an enrollment."""
    return _service(Enrollment.objects.filter(pk=key_of(subject)))


def find_service_of_decision(subject: str) -> Service | None:
    """Return what is provided for the price that a decision asks for."""
    return _service(Enrollment.objects.filter(decisions=key_of(subject)))


def _service(enrollments: QuerySet[Enrollment]) -> Service | None:
    found = enrollments.select_related("learner", "lead", "instance").first()
    if found is None:
        return None
    return Service(found.person.first_name, found.person.cuid, found.first_day, found.last_day)


def find_prices_of_enrollments(subjects: Collection[str]) -> dict[str, int | None]:
    """Return the current price of the instance of each enrollment."""
    rows = Enrollment.objects.filter(pk__in=[key_of(subject) for subject in subjects])
    return {str(pk): price_id for pk, price_id in rows.values_list("pk", "instance__price")}


def find_prices_of_decisions(subjects: Collection[str]) -> dict[str, int | None]:
    """Return the current price of the instance of each decision, by the subject of its checkout."""
    rows = EnrollmentDecision.objects.filter(pk__in=[key_of(subject) for subject in subjects])
    return {str(pk): price_id for pk, price_id in rows.values_list("pk", "instance__price")}


def find_instance_id(*, workspace_id: int, reference: str | int | None) -> int | None:
    """Return the id of an instance given by CUID or id; None for none. Raises Invalid if it is not in the workspace."""
    if reference is None:
        return None
    by = Q(pk=reference) if isinstance(reference, int) else Q(cuid=reference)
    instance_id = ProgramInstance.objects.filter(by, workspace=workspace_id).values_list("pk", flat=True).first()
    if instance_id is None:
        raise invalid_field("program_instance_id", "not_found", "There is no such program instance in this workspace.")
    return instance_id


def allocations_of(workspace_id: int, *, active_only: bool = False) -> QuerySet[DistrictSeatAllocation]:
    """Return the seat allocations of a workspace's districts."""
    rows = DistrictSeatAllocation.objects.filter(district__workspace=workspace_id)
    rows = rows.filter(is_active=True) if active_only else rows
    return rows.select_related("district", "instance").order_by("district__tenant_id", "id")


def find_allocation(
    *,
    workspace_id: int,
    tenant_id: int,
    instance_cuid: str | None,
    allocation_id: int | None = None,
    now: dt.datetime,
) -> DistrictSeatAllocation:
    """Return a district's general allocation, or the one for an instance: if there are several, the one that is named,
    or else the first whose seats may be taken today, the next one to begin, or the last. Raises NotFound.
    """
    rows = allocations_of(workspace_id).filter(district__tenant_id=tenant_id)
    if allocation_id is not None:
        rows = rows.filter(pk=allocation_id)
    elif instance_cuid:
        rows = rows.filter(instance__cuid=instance_cuid)
    else:
        rows = rows.filter(instance__isnull=True)
    found = list(rows.select_related("district__workspace").order_by(F("valid_until").asc(nulls_last=True), "id"))
    if not found:
        which = f"for program instance {instance_cuid}" if instance_cuid else "for all programs"
        which = which if allocation_id is None else f"with the id {allocation_id}"
        raise NotFound(f"District {tenant_id} has no seat allocation {which} in this workspace.")
    coming = (each for each in found if each.valid_from and each.valid_from > local_date(now, each.zone))
    return next((each for each in found if each.is_open(now)), None) or next(coming, found[-1])


def undecided(enrollments: QuerySet[Enrollment]) -> QuerySet[Enrollment]:
    """Return those that a reviewer can decide: submitted, with nothing left to pay."""
    return enrollments.filter(eligibility_status=EligibilityStatus.SUBMITTED).exclude(payment_status__in=UNPAID)


def awaiting_review(enrollments: QuerySet[Enrollment]) -> QuerySet[Enrollment]:
    """Return those that wait for a reviewer, and not for the family's answer to a question."""
    return undecided(enrollments).exclude(pk__in=waiting_for_families().values("enrollment"))


def waiting_for_families() -> QuerySet[Inquiry]:
    """Return the questions for whose answers cases wait, until staff hear that none came before the deadline."""
    return Inquiry.objects.filter(status=InquiryStatus.OPEN, reported_at=None)


def awaiting_payment(enrollments: QuerySet[Enrollment]) -> QuerySet[Enrollment]:
    """Return those that are submitted and not paid for, whether or not a checkout is open."""
    return enrollments.filter(eligibility_status=EligibilityStatus.SUBMITTED, payment_status__in=UNPAID)
