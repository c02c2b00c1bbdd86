"""Reads that more than one caller needs, each within one workspace."""

import datetime as dt
from collections.abc import Collection

from django.db.models import Count, Min, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from enrollments.listing import get_enrollment
from enrollments.states import ParticipationStatus

from .errors import CertificateNotFound, ProviderNotFound, StepNotFound
from .models import Certificate, EnrollmentStep, EnrollmentStepQuerySet, PartnerSequence, Provider, SequenceItem


def list_providers(*, workspace_id: int) -> QuerySet[Provider]:
    """Return the workspace's partners, newest first."""
    return Provider.objects.filter(workspace=workspace_id).order_by("-pk")


def get_provider(*, workspace_id: int, slug: str) -> Provider:
    """Return one of them. Raises ProviderNotFound."""
    provider = list_providers(workspace_id=workspace_id).filter(slug=slug).first()
    if provider is None:
        raise ProviderNotFound
    return provider


def list_steps(*, workspace_id: int, enrollment_cuid: str) -> EnrollmentStepQuerySet:
    """Return the steps on an enrollment's way, in order. Raises NotFound."""
    enrollment = get_enrollment(workspace_id=workspace_id, cuid=enrollment_cuid)
    return EnrollmentStep.objects.of(enrollment.pk)


def get_step(*, workspace_id: int, enrollment_cuid: str, cuid: str) -> EnrollmentStep:
    """Return one of them. Raises NotFound, StepNotFound."""
    step = list_steps(workspace_id=workspace_id, enrollment_cuid=enrollment_cuid).filter(cuid=cuid).first()
    if step is None:
        raise StepNotFound
    return step


def get_certificate(*, workspace_id: int, enrollment_cuid: str) -> Certificate:
    """Return the latest certificate of an enrollment, valid or revoked. Raises NotFound, CertificateNotFound."""
    enrollment = get_enrollment(workspace_id=workspace_id, cuid=enrollment_cuid)
    certificate = Certificate.objects.filter(enrollment=enrollment.pk).order_by("-pk").first()
    if certificate is None:
        raise CertificateNotFound("This enrollment has no certificate: its program is not completed and paid.")
    return certificate


def get_active_sequence(*, program_id: int) -> PartnerSequence | None:
    """Return the version for a program's learners who are approved now."""
    return PartnerSequence.objects.filter(program=program_id, active=True).first()


def list_items(sequence: PartnerSequence) -> list[SequenceItem]:
    """Return the items of a version in order, with groups and partners."""
    items = SequenceItem.objects.filter(group__sequence=sequence).select_related("group", "provider")
    return list(items.order_by("group__position", "position"))


def list_current_items(program_ids: Collection[int]) -> list[SequenceItem]:
    """Return the items of these programs' current versions in order, with groups, sequences, and partners."""
    items = SequenceItem.objects.filter(group__sequence__program__in=program_ids, group__sequence__active=True)
    return list(items.select_related("group__sequence", "provider").order_by("group__position", "position"))


def count_under_way(*, program_id: int) -> dict[int, int]:
    """Return how many of a program's active learners are in each version of its sequence, without unused versions."""
    found = with_learners_under_way(PartnerSequence.objects.filter(program=program_id)).order_by("version")
    return {each.version: each.under_way for each in found if each.under_way}  # type: ignore[attr-defined]


def with_learners_under_way(sequences: QuerySet[PartnerSequence]) -> QuerySet[PartnerSequence]:
    """Add `under_way` to each: how many active learners are in it, counted by the first of their steps."""
    first = EnrollmentStep.objects.current().filter(
        item__group__sequence=OuterRef("pk"),
        sequence_order=1,
        enrollment__participation_status=ParticipationStatus.ACTIVE,
    )
    counted = first.order_by().values("item__group__sequence").annotate(count=Count("pk")).values("count")
    return sequences.annotate(under_way=Coalesce(Subquery(counted), 0))


def next_due_at(*, provider_id: int) -> dt.datetime | None:
    """Return when the partner is next to be asked about somebody; None if it is not."""
    to_ask = EnrollmentStep.objects.filter(provider=provider_id).to_ask()
    found: dt.datetime | None = to_ask.aggregate(at=Min("next_attempt_at"))["at"]
    return found
