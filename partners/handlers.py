"""Reactions inside the transaction of the event: participation begins or ends, with the enrollment locked; a step's
turn has come.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import TypeVar

from django.db.models import Exists, OuterRef, QuerySet

from accounts.papers import Papers, register_papers
from core.actors import SYSTEM
from core.compiled import Compiled, compiled
from enrollments.events import EnrollmentDeleted, EnrollmentEvent, EnrollmentStatusChanged
from enrollments.models import Enrollment
from enrollments.states import ENDED_PARTICIPATION, FUNDED, PAID, Facet, ParticipationStatus
from events.publishing import handles, handles_together

from .certificates import count_of_learner, follow_completion, reissue_to_learner
from .enrolling import ring_for_due_steps
from .events import PartnerStepQueued, PartnerStepStarted
from .inbox import wake_events_about
from .models import Certificate, EnrollmentStep
from .progression import generate_enrollment_steps, withdraw_open_steps
from .states import DONE

E = TypeVar("E", bound=EnrollmentEvent)

register_papers(Papers(count_of_learner, reissue_to_learner))


@handles_together(PartnerStepQueued)
def ask_partners(events: Sequence[PartnerStepQueued]) -> None:
    """Queue the worker task without waiting for the sweep, once per partner, however many learners it is to accept."""
    ring_for_due_steps(among=[event.step_cuid for event in events], now=max(event.occurred_at for event in events))


@handles(PartnerStepStarted)
def apply_what_came_early(event: PartnerStepStarted) -> None:
    """Apply what the partner reported about the learner before its answer reached us."""
    wake_events_about(step_cuid=event.step_cuid, now=event.occurred_at)


@handles_together(EnrollmentStatusChanged)
def follow_participation(events: Sequence[EnrollmentStatusChanged]) -> None:
    """Send an approved learner to the first partner, and one who leaves or has finished to no other."""
    moved = [event for event in events if event.facet == Facet.PARTICIPATION]
    begun = {event.enrollment_cuid: event for event in moved if event.to_status == ParticipationStatus.ACTIVE}
    if begun:
        for enrollment_id, event in _among(_with_partners, begun):
            generate_enrollment_steps(enrollment_id=enrollment_id, actor=SYSTEM, now=event.occurred_at)
    ended = {event.enrollment_cuid: event for event in moved if event.to_status in ENDED_PARTICIPATION}
    if ended:
        for enrollment_id, event in _among(_with_open_steps, ended):
            withdraw_open_steps(enrollment_id=enrollment_id, reason=event.reason, now=event.occurred_at)


@handles_together(EnrollmentStatusChanged)
def follow_with_certificate(events: Sequence[EnrollmentStatusChanged]) -> None:
    """Issue the certificate of a completed program, at once or when the payment arrives; revoke it after a full refund,
    or if the payment never came or the completion is taken back.

    A payment decides nothing while the program is not completed, so nothing is looked up for those who only begin.
    """
    participation = {event.enrollment_cuid: event.to_status for event in events if event.facet == Facet.PARTICIPATION}
    unfinished = {cuid for cuid, status in participation.items() if status != ParticipationStatus.COMPLETED}
    _bring_certificates_in_line([event for event in events if _concerns_certificate(event, unfinished)])


@handles_together(EnrollmentDeleted)
def follow_deletion(events: Sequence[EnrollmentDeleted]) -> None:
    """Revoke the certificate of an enrollment that should not have been recorded."""
    _bring_certificates_in_line(events)


def _concerns_certificate(event: EnrollmentStatusChanged, unfinished: Collection[str]) -> bool:
    if event.facet == Facet.PARTICIPATION:
        return ParticipationStatus.COMPLETED in (event.from_status, event.to_status)
    is_decided = event.facet == Facet.PAYMENT and (event.to_status in FUNDED or event.from_status in PAID)
    return is_decided and event.enrollment_cuid not in unfinished


def _bring_certificates_in_line(events: Sequence[EnrollmentEvent]) -> None:
    """Look further only where the steps or a certificate require it."""
    concerned = {event.enrollment_cuid: event for event in events}
    if not concerned:
        return
    for enrollment_id, event in _among(_with_steps_done_or_certificate, concerned):
        follow_completion(enrollment_id=enrollment_id, now=event.occurred_at)


def _among(concerned: Compiled[tuple[int, str]], events: Mapping[str, E]) -> list[tuple[int, E]]:
    """Return the enrollments of the events that are concerned, each once by its id, with its last event: one query,
    however many there are.
    """
    found = set(concerned.all(list(events)))
    return [(enrollment_id, events[name]) for enrollment_id, name in sorted(found)]


@compiled
def _with_partners(cuids: list[str]) -> QuerySet[Enrollment, tuple[int, str]]:
    sent = Enrollment.objects.filter(instance__program__partner_sequences__active=True)
    return sent.filter(cuid__among=cuids).values_list("pk", "cuid")


@compiled
def _with_open_steps(cuids: list[str]) -> QuerySet[EnrollmentStep, tuple[int, str]]:
    unfinished = EnrollmentStep.objects.open().filter(enrollment__cuid__among=cuids)
    return unfinished.values_list("enrollment_id", "enrollment__cuid")


@compiled
def _with_steps_done_or_certificate(cuids: list[str]) -> QuerySet[Enrollment, tuple[int, str]]:
    enrollments = Enrollment.objects.filter(
        Exists(EnrollmentStep.objects.current().filter(enrollment=OuterRef("pk"), status__in=DONE))
        | Exists(Certificate.objects.live().filter(enrollment=OuterRef("pk")))
    )
    return enrollments.filter(cuid__among=cuids).values_list("pk", "cuid")
