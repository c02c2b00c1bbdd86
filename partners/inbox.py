"""Partners' messages: stored once, acknowledged at once, and applied afterwards, in whatever order they arrive.

A signature (Standard Webhooks) with the partner's own secret authenticates each message. If the partner knows more
about a learner than we do, because it accepted the learner and its answer is late or lost, its message waits until we
know as much.
"""

import datetime as dt
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import structlog
from celery import signature
from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery
from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook, WebhookVerificationError

from core import retries
from core.documents import is_deeper
from core.errors import require
from core.logs import after_commit
from core.rows import insert_unless_present
from core.text import fit
from core.vendors import Misread
from core.work import nudge
from enrollments.models import Enrollment

from .effects import EFFECTS
from .errors import BadPartnerSignature, UnreadableEvent
from .locks import lock_ways
from .messages import field_map_of, keep_payload, read_message
from .models import EnrollmentStep, PartnerEvent, Provider
from .progression import Advance
from .states import PartnerStepStatus
from .unread import IGNORED, read_again, seal_message, tell_staff

log = structlog.get_logger(__name__)

# The nudge comes first; the sweep handles what it leaves.
NUDGE_GRACE = dt.timedelta(seconds=10)
RETRY = retries.Retry(first_pause_seconds=5, longest_pause_seconds=3600, lease=NUDGE_GRACE, attempts=12)
# How long an event waits for a learner whom nobody knows by that id.
MATCHED_WITHIN = dt.timedelta(days=7)
UNMATCHED = "unmatched"
OF_THE_ERASED = "the learner was erased"
# A batch is one transaction, unless it has several events about one learner.
BATCH = 500
# A finished participation gets its certificate and mail one by one; a batch would hold locks for seconds.
ENDS_AT_ONCE = 25
# Unreadable messages beyond this size and depth are not stored.
MAX_UNREAD_BYTES = 65_536
MAX_UNREAD_LEVELS = 20


def receive_event(*, slug: str, raw: bytes, headers: Mapping[str, str], now: dt.datetime) -> tuple[PartnerEvent, bool]:
    """Store a message to a partner's webhook once, and wake a worker. Returns the event, and whether it was known.

    A message that the partner's field map does not fit is stored unread. Raises BadPartnerSignature unless the partner
    with this slug provably sent exactly these bytes within five minutes, and UnreadableEvent if they are not a JSON
    object.
    """
    provider = Provider.objects.filter(slug=slug).first()
    if provider is None or not _is_signed(raw, headers, _secrets(provider, now)):
        log.warning("partner_event_refused", partner=provider.pk if provider else None)
        raise BadPartnerSignature
    event = _read(provider, raw, headers["webhook-id"], now)
    with transaction.atomic():
        is_new = insert_unless_present(event)
        stored = PartnerEvent.objects.select_related("provider").get(provider=provider, event_id=event.event_id)
        if is_new and stored.unread:
            tell_staff(stored)
        elif stored.handled_at is None:
            nudge(signature("partners.tasks.handle_partner_event"), stored.pk)
        after_commit(log.info, "partner_event_stored", partner_event=stored.pk, type=stored.type, is_new=is_new)
    return stored, not is_new


def store_found(
    *, step: EnrollmentStep, kind: str, message_id: str, data: Mapping[str, Any], now: dt.datetime
) -> PartnerEvent:
    """Store the result of a request to a partner as if the partner had sent it, once for this id."""
    event = PartnerEvent(
        provider=step.provider,
        event_id=message_id,
        type=kind,
        external_enrollment_id=require(step.external_enrollment_id, "a step that the partner accepted has its id"),
        payload=keep_payload(data),
        received_at=now,
        next_attempt_at=now,
    )
    insert_unless_present(event)
    return PartnerEvent.objects.get(provider=step.provider, event_id=message_id)


def handle_event(*, event_id: int, now: dt.datetime) -> PartnerEvent:
    """Apply an event, once. An error is recorded on the row, to be retried later; raises PartnerEvent.DoesNotExist."""
    readable = read_again([PartnerEvent.objects.get(pk=event_id)], now)
    if readable:
        _apply_what_can_be(readable, now)
    return PartnerEvent.objects.get(pk=event_id)


def handle_due_events(*, limit: int = BATCH, now: dt.datetime) -> int:
    """Apply events whose nudge was lost, whose last attempt failed, or whose learner was unknown, the longest due
    first, many in one transaction; returns how many were tried.

    Events about learners whom another process is handling become due again after the lease.
    """
    unhandled = PartnerEvent.objects.filter(handled_at=None)
    claimed = retries.claim_batch(unhandled, now=now, lease=RETRY.lease, limit=limit)
    for events in _one_of_each(read_again(claimed, now)):
        _apply_what_can_be(events, now)
    return len(claimed)


def wake_events_about(*, step_cuid: str, now: dt.datetime) -> None:
    """Apply the events that arrived before we knew the partner's id for this step; part of the caller's transaction."""
    step = EnrollmentStep.objects.get(cuid=step_cuid)
    waiting = PartnerEvent.objects.filter(
        provider=step.provider_id, external_enrollment_id=step.external_enrollment_id, handled_at=None
    )
    for event_id in waiting.order_by("pk").values_list("pk", flat=True):
        nudge(signature("partners.tasks.handle_partner_event"), event_id)
    waiting.update(next_attempt_at=now)


def find_step_id(event: PartnerEvent) -> int | None:
    """Return the step that an event is about."""
    return next((step_id for step_id, _ in _find_steps([event]).values()), None)


def _find_steps(events: Sequence[PartnerEvent]) -> dict[int, tuple[int, int]]:
    """Return the step and enrollment of each event by the event's id; events about unknown learners are missing."""
    about = {event.pk: (event.provider_id, event.external_enrollment_id) for event in events}
    steps = EnrollmentStep.objects.filter(
        provider__in={provider_id for provider_id, _ in about.values()},
        external_enrollment_id__among=[name for _, name in about.values()],
    )
    columns = ("provider_id", "external_enrollment_id", "pk", "enrollment_id")
    found = {(provider_id, name): (pk, way) for provider_id, name, pk, way in steps.values_list(*columns)}
    return {event_id: found[name] for event_id, name in about.items() if name in found}


def _one_of_each(events: Sequence[PartnerEvent]) -> list[list[PartnerEvent]]:
    """Put the first event of each enrollment into one group, the second into the next, and so on, so that each is
    applied after all earlier ones about the same enrollment.
    """
    about = _find_steps(events)
    groups: list[list[PartnerEvent]] = []
    seen: Counter[int] = Counter()
    for event in events:
        _, enrollment_id = about.get(event.pk, (0, -event.pk))
        if seen[enrollment_id] == len(groups):
            groups.append([])
        groups[seen[enrollment_id]].append(event)
        seen[enrollment_id] += 1
    return groups


def _apply_what_can_be(events: Sequence[PartnerEvent], now: dt.datetime) -> None:
    """Halve a failing batch until the cause of the failure is alone."""
    try:
        left = _apply(events, now)
    except Exception as error:  # whatever it is, it must not be lost: the row records it until an attempt succeeds
        if len(events) == 1:
            log.exception("partner_event_failed", partner_event=events[0].pk, type=events[0].type)
            _postpone(events[0], error=f"{type(error).__name__}: {error}", now=now)
            return
        left = None
    if left is None:
        half = len(events) // 2
        _apply_what_can_be(events[:half], now)
        _apply_what_can_be(events[half:], now)
        return
    for event in left.unmatched:
        _wait_for_match(event, now)
    for start in range(0, len(left.too_many), ENDS_AT_ONCE):
        _apply_what_can_be(left.too_many[start : start + ENDS_AT_ONCE], now)


class _Left(NamedTuple):
    """The events that a batch skips: those whose learner is unknown, and those beyond its limit."""

    unmatched: list[PartnerEvent]
    too_many: list[PartnerEvent]


@transaction.atomic
def _apply(events: Sequence[PartnerEvent], now: dt.datetime) -> _Left:
    """Apply the effects of events of different enrollments and mark them handled: one commit, behind the locks of the
    enrollments. A single event waits for its lock; several skip the ones that would have to wait.
    """
    about = {event_id: step_id for event_id, (step_id, _) in _find_steps(events).items()}
    ways = {step.pk: (step, steps) for step, steps in lock_ways([*about.values()], wait=len(events) == 1)}
    unhandled = set(_unhandled(events).values_list("pk", flat=True))
    erased = _erased_among(step for step, _ in ways.values())
    advance = Advance(now)
    outcomes: dict[str, list[PartnerEvent]] = defaultdict(list)
    left = _Left([], [])
    for event in events:
        effect = EFFECTS.get(event.type)
        if event.pk not in unhandled:
            continue
        if event.pk not in about:
            (outcomes[IGNORED] if effect is None else left.unmatched).append(event)
        elif advance.ends == ENDS_AT_ONCE:
            left.too_many.append(event)
        elif about[event.pk] in ways:
            step, steps = ways[about[event.pk]]
            if step.enrollment_id in erased:
                outcomes[OF_THE_ERASED].append(event)
                continue
            outcomes[IGNORED if effect is None else effect(advance, step, steps, event)].append(event)
            if step.status == PartnerStepStatus.IN_PROGRESS:  # the partner need not be polled for a while
                advance.journal.note(step, next_attempt_at=now + dt.timedelta(hours=step.provider.poll_hours))
    advance.write()
    for outcome, alike in outcomes.items():
        handled = {"handled_at": now, "outcome": fit(PartnerEvent, "outcome", outcome), "last_error": ""}
        if outcome == OF_THE_ERASED:
            handled["payload"] = {}
        _unhandled(alike).update(**handled, step=_STEP_OF_EVENT)
        after_commit(log.info, "partner_events_handled", partner_events=[event.pk for event in alike], outcome=outcome)
    return left


def _erased_among(steps: Iterable[EnrollmentStep]) -> set[int]:
    """Return the enrollments of erased learners: what partners still report about them is not stored."""
    enrollments = Enrollment.objects.filter(pk__among=list({step.enrollment_id for step in steps}))
    return set(enrollments.filter(learner__erased_at__isnull=False).values_list("pk", flat=True))


def _unhandled(events: Sequence[PartnerEvent]) -> QuerySet[PartnerEvent]:
    return PartnerEvent.objects.filter(pk__among=[event.pk for event in events], handled_at=None)


# Like `_find_steps`, for the row that an UPDATE changes.
_STEP_OF_EVENT = Subquery(
    EnrollmentStep.objects.filter(
        provider=OuterRef("provider"), external_enrollment_id=OuterRef("external_enrollment_id")
    ).values("pk")
)


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
    """Return the current secret, and the previous one while both are valid."""
    until = provider.previous_secret_until
    previous = [provider.previous_webhook_secret] if until is not None and now < until else []
    return [provider.webhook_secret, *previous]


def _is_signed(raw: bytes, headers: Mapping[str, str], secrets: list[str]) -> bool:
    """Return whether the message is signed. For invalid signatures the library raises many errors: for bytes that are
    not text, a missing comma, or bad base64.
    """
    for secret in secrets:
        try:
            Webhook(secret).verify(raw, dict(headers), json_parse=False)
        except (WebhookVerificationError, EmptyWebhookSecretError, ArithmeticError, LookupError, TypeError, ValueError):
            continue
        return True
    return False


def _read(provider: Provider, raw: bytes, message_id: str, now: dt.datetime) -> PartnerEvent:
    """Return the event in a partner's message, or one that keeps it until it can be read. Raises UnreadableEvent."""
    try:
        body = json.loads(raw)
    except (ArithmeticError, RecursionError, ValueError) as error:
        raise UnreadableEvent from error
    if not isinstance(body, dict) or not message_id.isprintable() or len(message_id) > 255:
        raise UnreadableEvent
    event = PartnerEvent(provider=provider, event_id=message_id, received_at=now, next_attempt_at=now + NUDGE_GRACE)
    try:
        message = read_message(field_map_of(provider), body)
    except Misread as fault:
        if len(raw) > MAX_UNREAD_BYTES or is_deeper(body, MAX_UNREAD_LEVELS):
            raise UnreadableEvent from fault
        seal_message(event, body, fault)
    else:
        event.type = message.kind
        event.external_enrollment_id = message.external_id
        event.payload = message.payload
    return event
