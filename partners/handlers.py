"""Reactions inside the transaction of what happened: participation begins or ends, with the enrollment locked; a step's
turn has come."""

from celery import signature

from core.actors import SYSTEM
from core.work import nudge
from enrollments.events import EnrollmentStatusChanged
from enrollments.models import Enrollment
from enrollments.states import ENDED_PARTICIPATION, Facet, ParticipationStatus
from events.publishing import handles

from .events import PartnerStepQueued, PartnerStepStarted
from .inbox import wake_events_about
from .models import EnrollmentStep
from .progression import generate_enrollment_steps, withdraw_open_steps


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
