"""Telling partners to let go of learners who left: their step was skipped or withdrawn while the partner had them.

Each one to tell is a row that is due until the partner has answered. If it is unknown whether the partner accepted the
learner (the step ended during the request), the partner is first asked by our reference.
"""

import datetime as dt

import structlog
from django.db import transaction

from accounts.staff_tasks import raise_staff_task, settle_staff_task
from core import retries
from core.text import fit

from .gateways.contract import PartnerDown, PartnerRefuses
from .gateways.rest import get_gateway
from .history import UNDER_WAY, subject_of
from .models import EnrollmentStep
from .outages import note_answer, note_failure
from .rounds import PER_ROUND, go_through, ring_for
from .states import LEFT
from .task_kinds import STEP_NOT_ENDED

log = structlog.get_logger(__name__)

# Retries continue, eventually once an hour. After this many, staff get a task, and may tell the partner themselves.
RETRY = retries.Retry(first_pause_seconds=10, longest_pause_seconds=3600, lease=UNDER_WAY, attempts=12)
ROUND = "partners.tasks.end_at_provider"


def end_step(*, step_cuid: str, now: dt.datetime) -> bool:
    """Tell the partner to let go of a step's learner, if that is due and nobody else is working on it.

    Returns False if the partner does not answer.
    """
    due = EnrollmentStep.objects.to_end().filter(cuid=step_cuid)
    if not retries.claim(due, now=now, lease=RETRY.lease):
        return True
    step = EnrollmentStep.objects.select_related("enrollment", "provider").get(cuid=step_cuid)
    gateway = get_gateway(step.provider)
    external_id = step.external_enrollment_id
    try:
        if external_id is None and (found := gateway.find(step.cuid)) and not _is_with_another(step, found.id):
            external_id = found.id
        if external_id is not None:
            gateway.end(external_id)
    except PartnerDown as error:
        note_failure(step.provider, error, now=now)
        _postpone(step, error, now)
        return False
    except PartnerRefuses as error:
        note_answer(step.provider, now=now)
        _give_up(step, error, now)
        return True
    note_answer(step.provider, now=now)
    record_end(step=step, now=now)
    return True


def _is_with_another(step: EnrollmentStep, external_id: str) -> bool:
    """Return whether the partner has somebody else by this id, who has not left: ending it would end them."""
    others = EnrollmentStep.objects.filter(provider=step.provider_id, external_enrollment_id=external_id)
    return others.exclude(pk=step.pk).exclude(status__in=LEFT).exists()


def end_at_provider(*, provider_id: int, limit: int = PER_ROUND, now: dt.datetime) -> int:
    """Tell one partner to let go of the learners who are due, the longest waiting first, while it answers. Returns how
    many were tried.
    """
    to_end = EnrollmentStep.objects.to_end()
    return go_through(to_end, provider_id=provider_id, deal=end_step, task=ROUND, limit=limit, now=now)


def ring_for_due_ends(*, now: dt.datetime) -> int:
    """Queue a worker task for each partner that has learners to let go; returns how many partners."""
    return ring_for(EnrollmentStep.objects.to_end(), task=ROUND, now=now)


@transaction.atomic
def record_end(*, step: EnrollmentStep, now: dt.datetime) -> None:
    """Record that the partner of this step has let the learner go. Records nothing if the partner's answer to our
    request arrived in between: then it is asked once more, by its own id.
    """
    known = EnrollmentStep.objects.to_end().filter(pk=step.pk, external_enrollment_id=step.external_enrollment_id)
    if known.update(ended_at=now, next_attempt_at=None, attempts=0, last_error=""):
        settle_staff_task(kind=STEP_NOT_ENDED, subject=subject_of(step), resolution="The partner was told.", now=now)
        log.info("partner_step_ended", step=step.cuid, partner=step.provider_id)


@transaction.atomic
def _postpone(step: EnrollmentStep, error: PartnerDown, now: dt.datetime) -> None:
    attempts = step.attempts + error.was_asked
    log.warning("partner_down", step=step.cuid, partner=step.provider_id, attempts=attempts)
    recorded = retries.record_failure(
        EnrollmentStep.objects.to_end().filter(pk=step.pk),
        retry=RETRY,
        attempts=min(attempts, RETRY.attempts),
        error=error.detail,
        now=now,
        retry_after=error.wait_seconds,
    )
    if recorded and error.was_asked and RETRY.is_used_up(attempts):
        _tell_staff(step, error.detail)


@transaction.atomic
def _give_up(step: EnrollmentStep, error: PartnerRefuses, now: dt.datetime) -> None:
    """Give up, because another request would get the same answer."""
    log.warning("partner_refused", step=step.cuid, partner=step.provider_id)
    error_text = fit(EnrollmentStep, "last_error", error.detail)
    waiting = EnrollmentStep.objects.to_end().filter(pk=step.pk)
    if waiting.update(next_attempt_at=None, last_error=error_text):
        _tell_staff(step, error.detail)


def _tell_staff(step: EnrollmentStep, detail: str) -> None:
    raise_staff_task(
        workspace_id=step.enrollment.workspace_id,
        kind=STEP_NOT_ENDED,
        subject=subject_of(step),
        summary=f"{step.provider} still has a learner who left, from step {step.sequence_order}. {detail}",
    )
