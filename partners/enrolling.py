"""Asking partners to accept the learners whose turn it is: queued steps, each due until the partner answers.

Record the intent, commit, call, commit the answer. The step is the intent, and its id is the idempotency key. Before
the call, the step records that the partner is being asked: after a lost answer, or the death of a worker, the partner
is first asked for the result. So nobody is enrolled twice, even by a partner without idempotency.
"""

import datetime as dt
from collections.abc import Sequence

import structlog

from core import retries
from core.actors import SYSTEM
from core.errors import require
from core.text import fit

from .acceptance import record_acceptance, record_refusal
from .errors import ExternalIdTaken, StepHasAnotherId
from .gateways.contract import EnrollmentRequest, PartnerDown, PartnerEnrollment, PartnerRefuses
from .gateways.rest import get_gateway
from .history import UNDER_WAY
from .models import EnrollmentStep
from .outages import note_answer, note_failure
from .rounds import PER_ROUND, go_through, ring_for

log = structlog.get_logger(__name__)

# The lease outlasts the two calls of an attempt. After the last attempt staff get a task, and can retry it.
RETRY = retries.Retry(first_pause_seconds=10, longest_pause_seconds=3600, lease=UNDER_WAY, attempts=12)
ROUND = "partners.tasks.enroll_at_provider"


def enroll_step(*, step_cuid: str, now: dt.datetime) -> bool:
    """Ask the partner to accept the learner of a queued step, if the step is due and nobody else is working on it.

    Any answer of the partner is recorded. One with the id of another learner counts as a refusal, so that staff resolve
    it. Returns False if the partner does not answer.
    """
    due = EnrollmentStep.objects.to_enroll().filter(cuid=step_cuid)
    if not retries.claim(due, now=now, lease=RETRY.lease):
        return True
    step = EnrollmentStep.objects.select_related("enrollment__learner", "item", "provider").get(cuid=step_cuid)
    try:
        found = _enroll(step, now)
    except PartnerDown as error:
        note_failure(step.provider, error, now=now)
        _record_delay(step, error, now)
        return False
    except PartnerRefuses as error:
        note_answer(step.provider, now=now)
        log.warning("partner_refused", step=step.cuid, partner=step.provider_id)
        record_refusal(step_id=step.pk, reason=error.detail, actor=SYSTEM, now=now)
        return True
    note_answer(step.provider, now=now)
    try:
        record_acceptance(
            step_id=step.pk, external_enrollment_id=found.id, launch_url=found.launch_url, actor=SYSTEM, now=now
        )
    except (ExternalIdTaken, StepHasAnotherId) as error:  # its next answer would be the same
        log.warning("partner_answered_with_odd_id", step=step.cuid, partner=step.provider_id, error=error.code)
        record_refusal(step_id=step.pk, reason=error.detail, actor=SYSTEM, now=now)
    return True


def enroll_at_provider(*, provider_id: int, limit: int = PER_ROUND, now: dt.datetime) -> int:
    """Enroll a partner's due learners, the longest waiting first, while it answers. Returns how many were tried."""
    to_enroll = EnrollmentStep.objects.to_enroll()
    return go_through(to_enroll, provider_id=provider_id, deal=enroll_step, task=ROUND, limit=limit, now=now)


def ring_for_due_steps(*, now: dt.datetime, among: Sequence[str] | None = None) -> int:
    """Queue a worker task for each partner with a due step, `among` these steps if given; returns how many."""
    to_enroll = EnrollmentStep.objects.to_enroll()
    return ring_for(to_enroll if among is None else to_enroll.filter(cuid__among=among), task=ROUND, now=now)


def _enroll(step: EnrollmentStep, now: dt.datetime) -> PartnerEnrollment:
    gateway = get_gateway(step.provider)
    if step.asked_at is not None and (known := gateway.find(step.cuid)):
        return known
    EnrollmentStep.objects.filter(pk=step.pk, asked_at=None).update(asked_at=now)
    learner = require(step.enrollment.learner, "an approved enrollment has a learner")
    return gateway.enroll(
        EnrollmentRequest(
            reference=step.cuid,
            course_id=step.course,
            learner_cuid=learner.cuid,
            email=learner.email,
            first_name=learner.first_name,
            last_name=learner.last_name,
        )
    )


def _record_delay(step: EnrollmentStep, error: PartnerDown, now: dt.datetime) -> None:
    attempts = step.attempts + error.was_asked
    log.warning("partner_down", step=step.cuid, partner=step.provider_id, attempts=attempts)
    retries.record_failure(
        EnrollmentStep.objects.to_enroll().filter(pk=step.pk),
        retry=RETRY,
        attempts=attempts,
        error=error.detail,
        now=now,
        retry_after=error.wait_seconds,
    )
    if error.was_asked and RETRY.is_used_up(attempts):
        reason = fit(EnrollmentStep, "last_error", f"Asked {attempts} times. {error.detail}")
        record_refusal(step_id=step.pk, reason=reason, actor=SYSTEM, now=now)
