"""Reads that more than one caller needs, each within one workspace."""

from django.db.models import QuerySet

from enrollments.listing import get_enrollment

from .errors import ProviderNotFound, StepNotFound
from .models import EnrollmentStep, EnrollmentStepQuerySet, Provider


def list_providers(*, workspace_id: int) -> QuerySet[Provider]:
    """The workspace's partners, newest first."""
    return Provider.objects.filter(workspace=workspace_id).order_by("-pk")


def get_provider(*, workspace_id: int, slug: str) -> Provider:
    """One of them. Raises ProviderNotFound."""
    provider = list_providers(workspace_id=workspace_id).filter(slug=slug).first()
    if provider is None:
        raise ProviderNotFound
    return provider


def list_steps(*, workspace_id: int, enrollment_cuid: str) -> EnrollmentStepQuerySet:
    """The steps of an enrollment's way, in their order. Raises NotFound."""
    enrollment = get_enrollment(workspace_id=workspace_id, cuid=enrollment_cuid)
    return EnrollmentStep.objects.of(enrollment.pk)


def get_step(*, workspace_id: int, enrollment_cuid: str, cuid: str) -> EnrollmentStep:
    """One of them. Raises NotFound, StepNotFound."""
    step = list_steps(workspace_id=workspace_id, enrollment_cuid=enrollment_cuid).filter(cuid=cuid).first()
    if step is None:
        raise StepNotFound
    return step
