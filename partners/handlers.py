"""Reactions inside the transaction of what happened: participation begins or ends, with the enrollment locked; a step's
turn has come."""

import datetime as dt

from celery import signature
from django.db.models import Exists, OuterRef

from core.actors import SYSTEM
from core.work import nudge
from enrollments.events import EnrollmentDeleted, EnrollmentStatusChanged
from enrollments.models import Enrollment
from enrollments.states import ENDED_PARTICIPATION, FUNDED, EnrollmentPaymentStatus, Facet, ParticipationStatus
from events.publishing import handles

from .certificates import follow_completion
from .events import PartnerStepQueued, PartnerStepStarted
from .inbox import wake_events_about
from .models import Certificate, EnrollmentStep
from .progression import generate_enrollment_steps, withdraw_open_steps
from .states import DONE


@handles(PartnerStepQueued)
def ask_partner(event: PartnerStepQueued) -> None:
    """The worker need not wait for the sweep."""
    nudge(signature("partners.tasks.enroll_step"), event.step_cuid)


@handles(PartnerStepStarted)
def apply_what_came_early(event: PartnerStepStarted) -> None:
    """The partner may have told of the learner before it answered us."""
    wake_events_about(step_cuid=event.step_cuid, now=event.occurred_at)


@handles(EnrollmentStatusChanged)
def follow_participation(event: EnrollmentStatusChanged) -> None:
    """An approved learner goes to the first partner; one who leaves, or is done, goes to no other."""
    if event.facet != Facet.PARTICIPATION:
        return
    if event.to_status == ParticipationStatus.ACTIVE:
        with_partners = Enrollment.objects.filter(instance__program__partner_sequences__active=True)
        enrollment_id = with_partners.filter(cuid=event.enrollment_cuid).values_list("pk", flat=True).first()
        if enrollment_id is not None:
            generate_enrollment_steps(enrollment_id=enrollment_id, actor=SYSTEM, now=event.occurred_at)
    elif event.to_status in ENDED_PARTICIPATION:
        unfinished = EnrollmentStep.objects.open().filter(enrollment__cuid=event.enrollment_cuid)
        enrollment_id = unfinished.values_list("enrollment_id", flat=True).first()
        if enrollment_id is not None:
            withdraw_open_steps(enrollment_id=enrollment_id, reason=event.reason, now=event.occurred_at)


@handles(EnrollmentStatusChanged)
def follow_with_certificate(event: EnrollmentStatusChanged) -> None:
    """Who has completed a program gets its certificate, at once or when the payment comes; and loses it when the money
    goes back in full, or the completion is taken back."""
    if event.facet == Facet.PARTICIPATION:
        if ParticipationStatus.COMPLETED in (event.from_status, event.to_status):
            _bring_certificate_in_line(event.enrollment_cuid, event.occurred_at)
    elif event.facet == Facet.PAYMENT and event.to_status in (*FUNDED, EnrollmentPaymentStatus.REFUNDED):
        _bring_certificate_in_line(event.enrollment_cuid, event.occurred_at)


@handles(EnrollmentDeleted)
def follow_deletion(event: EnrollmentDeleted) -> None:
    """What should not have been recorded is vouched for no longer."""
    _bring_certificate_in_line(event.enrollment_cuid, event.occurred_at)


def _bring_certificate_in_line(enrollment_cuid: str, now: dt.datetime) -> None:
    """Looks no further where neither the steps nor a certificate call for it."""
    enrollment = Enrollment.objects.filter(cuid=enrollment_cuid).filter(
        Exists(EnrollmentStep.objects.current().filter(enrollment=OuterRef("pk"), status__in=DONE))
        | Exists(Certificate.objects.live().filter(enrollment=OuterRef("pk")))
    )
    enrollment_id = enrollment.values_list("pk", flat=True).first()
    if enrollment_id is not None:
        follow_completion(enrollment_id=enrollment_id, now=now)
