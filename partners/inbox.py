"""What partners tell us: stored once, answered at once, applied afterwards, in whatever order it comes.

A message is trusted by its signature (Standard Webhooks), by the partner's own secret. One about a learner of whom the
partner knows more than we do (it accepted, and its answer to us is late or lost) waits until we know as much.
"""

import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog
from celery import signature
from django.db import transaction
from django.utils.dateparse import parse_datetime
from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook, WebhookVerificationError

from core import retries
from core.actors import Actor
from core.errors import require
from core.logs import after_commit
from core.rows import insert_unless_present
from core.text import fit
from core.work import nudge

from .errors import BadPartnerSignature, UnreadableEvent
from .history import taken_back_at
from .locks import lock_step
from .models import EnrollmentStep, PartnerEvent, Provider
from .progression import complete_locked
from .states import DONE, PartnerStepStatus
from .web_addresses import web_address

log = structlog.get_logger(__name__)

# The nudge comes first; the sweep takes what it leaves.
NUDGE_GRACE = dt.timedelta(seconds=10)
RETRY = retries.Retry(first_pause_seconds=5, longest_pause_seconds=3600, lease=NUDGE_GRACE, attempts=12)
# For how long an event waits for a learner whom nobody knows by that id.
MATCHED_WITHIN = dt.timedelta(days=7)
UNMATCHED = "unmatched"
PARTNER = Actor("partner")
BATCH = 200

_TEXTS = ("completedAt", "certificateId", "certificateNumber", "downloadUrl")
_LONGEST_TEXT = 2000


def receive_event(*, slug: str, raw: bytes, headers: Mapping[str, str], now: dt.datetime) -> tuple[PartnerEvent, bool]:
    """Store what came to a partner's webhook, once, and ask a worker to apply it. The event, and whether it was known
    already.

    Raises BadPartnerSignature unless the partner of this slug provably sent exactly these bytes within five minutes,
    and UnreadableEvent if they are no event.
    """
    provider = Provider.objects.filter(slug=slug).first()
    if provider is None or not _is_signed(raw, headers, _secrets(provider, now)):
        log.warning("partner_event_refused", partner=provider.pk if provider else None)
        raise BadPartnerSignature
    event = _read(provider, raw, headers["webhook-id"], now)
    with transaction.atomic():
        is_new = insert_unless_present(event)
        stored = PartnerEvent.objects.get(provider=provider, event_id=event.event_id)
        if stored.handled_at is None:
            nudge(signature("partners.tasks.handle_partner_event"), stored.pk)
        after_commit(log.info, "partner_event_stored", partner_event=stored.pk, type=stored.type, is_new=is_new)
    return stored, not is_new


def store_found(
    *, step: EnrollmentStep, kind: str, message_id: str, data: Mapping[str, Any], now: dt.datetime
) -> PartnerEvent:
    """Store what a partner told when it was asked, as if it had told it by itself; once under this id."""
    event = PartnerEvent(
        provider=step.provider,
        event_id=message_id,
        type=kind,
        external_enrollment_id=require(step.external_enrollment_id, "a step that the partner accepted has its id"),
        payload=_payload(data),
        received_at=now,
        next_attempt_at=now,
    )
    insert_unless_present(event)
    return PartnerEvent.objects.get(provider=step.provider, event_id=message_id)


def handle_event(*, event_id: int, now: dt.datetime) -> PartnerEvent:
    """Apply an event, once. An error is kept on the row, to be tried again later; raises PartnerEvent.DoesNotExist."""
    event = PartnerEvent.objects.get(pk=event_id)
    if event.handled_at is None:
        try:
            with transaction.atomic():
                _apply(event, now)
        except Exception as error:  # whatever it is, it must not be lost: the row shows it until a try succeeds
            log.exception("partner_event_failed", partner_event=event.pk, type=event.type)
            _postpone(event, error=f"{type(error).__name__}: {error}", now=now)
    return PartnerEvent.objects.get(pk=event_id)


def handle_due_events(*, limit: int = BATCH, now: dt.datetime) -> int:
    """Apply the events whose nudge was lost, whose last try failed, or whose learner was not known, oldest first;
    returns how many were tried."""
    due = retries.due(PartnerEvent.objects.filter(handled_at=None), now=now)
    event_ids = list(due.values_list("pk", flat=True)[:limit])
    for event_id in event_ids:
        handle_event(event_id=event_id, now=now)
    return len(event_ids)


def wake_events_about(*, step_cuid: str, now: dt.datetime) -> None:
    """Have the events applied that came before we knew by which id the partner calls this step; part of the caller's
    transaction."""
    step = EnrollmentStep.objects.get(cuid=step_cuid)
    waiting = PartnerEvent.objects.filter(
        provider=step.provider_id, external_enrollment_id=step.external_enrollment_id, handled_at=None
    )
    for event_id in waiting.order_by("pk").values_list("pk", flat=True):
        nudge(signature("partners.tasks.handle_partner_event"), event_id)
    waiting.update(next_attempt_at=now)


def find_step_id(event: PartnerEvent) -> int | None:
    """The step that an event is about."""
    steps = EnrollmentStep.objects.filter(
        provider=event.provider_id, external_enrollment_id=event.external_enrollment_id
    )
    return steps.values_list("pk", flat=True).first()


def _apply(event: PartnerEvent, now: dt.datetime) -> None:
    """The effect and the mark that it is handled are one commit, behind the lock of the enrollment."""
    effect = _EFFECTS.get(event.type)
    step_id = find_step_id(event)
    if effect is not None and step_id is None:
        _wait_for_match(event, now)
        return
    step, steps = lock_step(step_id) if step_id is not None else (None, [])
    unhandled = PartnerEvent.objects.filter(pk=event.pk, handled_at=None)
    if unhandled.update(handled_at=now, step=step, last_error=""):
        outcome = "ignored"
        if effect and step:
            is_old = effect is _complete and _was_taken_back(step, event)
            outcome = "staff had the step done again after that" if is_old else effect(step, steps, event.payload, now)
        if step is not None and step.status == PartnerStepStatus.IN_PROGRESS:
            _put_off_polling(step, now)
        PartnerEvent.objects.filter(pk=event.pk).update(outcome=fit(PartnerEvent, "outcome", outcome))
        after_commit(log.info, "partner_event_handled", partner_event=event.pk, type=event.type, outcome=outcome)


def _put_off_polling(step: EnrollmentStep, now: dt.datetime) -> None:
    """The partner has just told of this learner, so it need not be asked for a while."""
    taught = EnrollmentStep.objects.filter(pk=step.pk, status=PartnerStepStatus.IN_PROGRESS)
    taught.update(next_attempt_at=now + dt.timedelta(hours=step.provider.poll_hours))


def _complete(
    step: EnrollmentStep, steps: Sequence[EnrollmentStep], payload: Mapping[str, Any], now: dt.datetime
) -> str:
    """What staff decided meanwhile, or the learner by leaving, stands; the event shows what the partner said."""
    if step.status in (*DONE, PartnerStepStatus.WITHDRAWN):
        return f"the step was {step.status} before"
    complete_locked(step, steps, actor=PARTNER, now=now)
    return "completed"


def _was_taken_back(step: EnrollmentStep, event: PartnerEvent) -> bool:
    """Whether the completion that the partner tells of is one that staff no longer accept."""
    taken_back = taken_back_at(step)
    return taken_back is not None and completion_time(event.payload, event.received_at) <= taken_back


def completion_time(payload: Mapping[str, Any], otherwise: dt.datetime) -> dt.datetime:
    """When the learner finished, as far as the partner says so readably."""
    try:
        told = parse_datetime(payload.get("completedAt", ""))
    except ValueError:
        return otherwise
    if told is None:
        return otherwise
    return told if told.tzinfo else told.replace(tzinfo=dt.UTC)


def _progress(
    step: EnrollmentStep, steps: Sequence[EnrollmentStep], payload: Mapping[str, Any], now: dt.datetime
) -> str:
    """Never back: an older message may come later."""
    percent = payload.get("progress", 0)
    further = EnrollmentStep.objects.filter(pk=step.pk, status=PartnerStepStatus.IN_PROGRESS, progress__lt=percent)
    return f"progress is {percent} percent" if further.update(progress=percent) else "no further than before"


def _keep_certificate(
    step: EnrollmentStep, steps: Sequence[EnrollmentStep], payload: Mapping[str, Any], now: dt.datetime
) -> str:
    certificate = {
        "id": payload.get("certificateId", ""),
        "number": payload.get("certificateNumber", ""),
        "url": web_address(payload.get("downloadUrl")),
    }
    EnrollmentStep.objects.filter(pk=step.pk).update(certificate=certificate)
    return "certificate kept"


def _note(step: EnrollmentStep, steps: Sequence[EnrollmentStep], payload: Mapping[str, Any], now: dt.datetime) -> str:
    return f"noted; the step is {step.status}"


Effect = Callable[[EnrollmentStep, Sequence[EnrollmentStep], Mapping[str, Any], dt.datetime], str]
_EFFECTS: dict[str, Effect] = {
    "enrollment.created": _note,
    "progress.updated": _progress,
    "course.progress": _progress,
    "course.completed": _complete,
    "certificate.issued": _keep_certificate,
}


def _wait_for_match(event: PartnerEvent, now: dt.datetime) -> None:
    if now - event.received_at > MATCHED_WITHIN:
        unhandled = PartnerEvent.objects.filter(pk=event.pk, handled_at=None)
        unhandled.update(handled_at=now, outcome="nobody was ever known by this id")
    else:
        _postpone(event, error="", now=now, outcome=UNMATCHED)


def _postpone(event: PartnerEvent, *, error: str, now: dt.datetime, **changes: Any) -> None:
    retries.record_failure(
        PartnerEvent.objects.filter(pk=event.pk, handled_at=None),
        retry=RETRY,
        attempts=event.attempts + 1,
        error=error,
        now=now,
        **changes,
    )


def _secrets(provider: Provider, now: dt.datetime) -> list[str]:
    """The present secret, and the one before it while both hold."""
    until = provider.previous_secret_until
    previous = [provider.previous_webhook_secret] if until is not None and now < until else []
    return [provider.webhook_secret, *previous]


def _is_signed(raw: bytes, headers: Mapping[str, str], secrets: list[str]) -> bool:
    """The library raises many things for what is no signature: bytes that are no text, a missing comma, bad base64."""
    for secret in secrets:
        try:
            Webhook(secret).verify(raw, dict(headers), json_parse=False)
        except (WebhookVerificationError, EmptyWebhookSecretError, ArithmeticError, LookupError, TypeError, ValueError):
            continue
        return True
    return False


def _read(provider: Provider, raw: bytes, message_id: str, now: dt.datetime) -> PartnerEvent:
    try:
        body = json.loads(raw)
        kind = body["event"]
        data = body["data"]
        external_id = _id(data["enrollmentId"])
        payload = _payload(data)
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise UnreadableEvent from error
    if not _is_text(kind) or not message_id.isprintable() or len(message_id) > 255:
        raise UnreadableEvent
    return PartnerEvent(
        provider=provider,
        event_id=message_id,
        type=fit(PartnerEvent, "type", kind),
        external_enrollment_id=external_id,
        payload=payload,
        received_at=now,
        next_attempt_at=now + NUDGE_GRACE,
    )


def _payload(data: Mapping[str, Any]) -> dict[str, Any]:
    """What is acted on of an event's data. Raises ValueError for progress that is none."""
    payload = {name: data[name] for name in _TEXTS if _is_text(data.get(name))}
    if "progress" in data:
        payload["progress"] = _percent(data["progress"])
    return payload


def _id(given: object) -> str:
    if isinstance(given, bool) or not isinstance(given, str | int):
        raise TypeError("no id")
    text = str(given)
    if not 0 < len(text) <= 255 or not text.isprintable():
        raise ValueError("no id")
    return text


def _percent(given: object) -> int:
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given <= 100:
        raise ValueError("progress is a number from 0 to 100")
    return int(given)


def _is_text(given: object) -> bool:
    return isinstance(given, str) and 0 < len(given) <= _LONGEST_TEXT and given.isprintable()
