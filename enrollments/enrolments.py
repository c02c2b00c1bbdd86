"""Enrollments as the enrolment service's clients see them: a number, an external id, three statuses, an invoice URL."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Q, QuerySet

from core.errors import NotFound

from .models import Enrollment
from .models.enrollments import EnrollmentQuerySet
from .receipts import find_invoice_urls
from .states import ENDED_ELIGIBILITY, ParticipationStatus


@dataclass(frozen=True, slots=True)
class Enrolment:
    """One enrollment, spelled as in the enrolment service's document."""

    id: int
    user_id: str | None
    course_id: int
    status: str
    payment_status: str
    invoice_url: str | None


def get_enrolment(*, workspace_id: int, number: int, user_id: str | None = None) -> Enrollment:
    """Return one of the workspace's enrollments; with `user_id`, only that learner's. Raises NotFound."""
    found = _enrolments_of(workspace_id).filter(pk=number)
    if user_id is not None:
        found = found.filter(Q(learner__external_id=user_id) | Q(learner__merged__external_id=user_id))
    enrollment = found.first()
    if enrollment is None:
        raise NotFound("There is no such enrolment in this workspace.")
    return enrollment


def list_active_enrolments(*, workspace_id: int) -> QuerySet[Enrollment]:
    """Return the workspace's current enrollments, in the order they were created."""
    return _enrolments_of(workspace_id).current().order_by("pk")


def list_enrolments(*, workspace_id: int, numbers: Sequence[int]) -> list[Enrollment]:
    """Return the workspace's enrollments that have these numbers, in numerical order."""
    return list(_enrolments_of(workspace_id).filter(pk__in=numbers).order_by("pk"))


def describe_enrolments(enrollments: Sequence[Enrollment], *, now: dt.datetime) -> list[Enrolment]:
    """Describe enrollments that come with their learner; a constant number of queries."""
    urls = find_invoice_urls(enrollments, now=now)
    return [
        Enrolment(
            id=enrollment.pk,
            user_id=enrollment.learner.external_id if enrollment.learner else None,
            course_id=enrollment.instance_id,
            status=_status_of(enrollment),
            payment_status=enrollment.payment_status,
            invoice_url=urls.get(enrollment.pk),
        )
        for enrollment in enrollments
    ]


def _enrolments_of(workspace_id: int) -> EnrollmentQuerySet:
    return Enrollment.objects.kept().filter(workspace=workspace_id).select_related("learner")


def _status_of(enrollment: Enrollment) -> str:
    if enrollment.is_current:
        return "active"
    is_done = enrollment.participation_status == ParticipationStatus.COMPLETED
    return "completed" if is_done and enrollment.eligibility_status not in ENDED_ELIGIBILITY else "cancelled"
