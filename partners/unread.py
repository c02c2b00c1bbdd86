"""Messages of partners that their field maps do not fit: stored as they came, and read again once a map is fixed.

Such a message is in the inbox without its content. The original is sealed next to it, since nobody knows whom it names,
until it can be read, and for thirty days at most.
"""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from django.db import transaction
from django.db.models import QuerySet

from accounts.staff_tasks import raise_staff_task, settle_staff_task
from core.rows import lock_rows
from core.text import fit
from core.vendors import Misread

from .field_map import MAPPED_WORDS, FieldMap, list_paths
from .messages import field_map_of, read_message
from .models import PartnerEvent, Provider
from .task_kinds import MESSAGES_UNREAD

log = structlog.get_logger(__name__)

UNREAD = "unread"
UNREADABLE = "unreadable"  # the kind of a message about which nothing is known
KEPT_FOR = dt.timedelta(days=30)
NEVER_READ = "could not be read for 30 days"
IGNORED = "ignored"
# The number of messages on which a map is tried before it is saved.
TRIED_BEFORE = 50
# What staff see of an unreadable message.
PATHS_SHOWN = 40


def seal_message(event: PartnerEvent, body: Mapping[str, Any], fault: Misread) -> None:
    """Attach the original message to an unsaved event that it could not be parsed into."""
    event.type = UNREADABLE
    event.external_enrollment_id = ""
    event.unread = json.dumps(body)
    event.outcome = UNREAD
    event.last_error = fit(PartnerEvent, "last_error", _sentence(fault))


def tell_staff(event: PartnerEvent) -> None:
    """Give staff a task about a partner's unreadable messages until they can be read. Part of the caller's transaction,
    which stores the event.
    """
    provider = event.provider
    lock_rows(Provider, provider.pk)  # `_settle_if_read` does not see the event yet
    raise_staff_task(
        workspace_id=provider.workspace_id,
        kind=MESSAGES_UNREAD,
        subject=_subject(provider),
        summary=f"{provider} sent a message that can't be read: {event.last_error}",
    )


def read_again(events: Sequence[PartnerEvent], now: dt.datetime) -> list[PartnerEvent]:
    """Return those of these events that can be applied, reading unread ones with the current map."""
    sealed = [event for event in events if event.unread]
    if not sealed:
        return list(events)
    providers = Provider.objects.in_bulk({event.provider_id for event in sealed})
    for event in sealed:
        event.provider = providers[event.provider_id]
        _read_one(event, now)
    for provider in providers.values():
        _settle_if_read(provider, now)
    return [event for event in events if not event.unread]


@transaction.atomic
def wake_unread(*, provider_id: int, now: dt.datetime) -> None:
    """Reread a partner's messages that were unreadable or without effect under the old map, as part of changing it."""
    provider = Provider.objects.get(pk=provider_id)
    _waiting(provider).update(next_attempt_at=now, attempts=0)
    fields = field_map_of(provider)
    for word in (each for each in MAPPED_WORDS if each.is_event):
        for told in fields.words(word.name):
            kept_as = {told, f"{told} (theirs)"} - {word.ours}
            ignored = PartnerEvent.objects.filter(provider=provider, outcome=IGNORED, type__in=kept_as)
            ignored.update(type=word.ours, handled_at=None, outcome="", next_attempt_at=now, attempts=0)


@dataclass(frozen=True, slots=True)
class ForeseenUnread:
    """How many of the unreadable messages a map would read, and of the latest of the others, what it lacks and which
    paths it has.
    """

    readable: int = 0
    waiting: int = 0
    fault: str = ""
    paths: tuple[str, ...] = ()


def foresee_unread(*, provider: Provider, fields: FieldMap) -> ForeseenUnread:
    """Return what a map would do to the latest messages that could not be read."""
    events = list(_waiting(provider).order_by("-pk")[:TRIED_BEFORE])
    lacking: list[tuple[str, tuple[str, ...]]] = []
    for event in events:
        try:
            read_message(fields, json.loads(event.unread))
        except Misread as fault:
            lacking.append((str(fault), tuple(paths_of(event))))
    lacks, paths = lacking[0] if lacking else ("", ())
    return ForeseenUnread(readable=len(events) - len(lacking), waiting=len(events), fault=lacks, paths=paths)


def paths_of(event: PartnerEvent) -> list[str]:
    """Return the paths in an unreadable message, without their values."""
    return list_paths(json.loads(event.unread), at_most=PATHS_SHOWN) if event.unread else []


def _read_one(event: PartnerEvent, now: dt.datetime) -> None:
    """Read it, or let it keep waiting; one that has waited too long is deleted."""
    changes: dict[str, Any]
    try:
        message = read_message(field_map_of(event.provider), json.loads(event.unread))
    except Misread as fault:
        changes = {"last_error": fit(PartnerEvent, "last_error", _sentence(fault))}
        if now - event.received_at > KEPT_FOR:
            changes |= {"unread": "", "handled_at": now, "outcome": NEVER_READ}
            log.warning("partner_message_forgotten", partner_event=event.pk)
        else:
            changes |= {"next_attempt_at": now + dt.timedelta(hours=1)}
    else:
        changes = {
            "type": message.kind,
            "external_enrollment_id": message.external_id,
            "payload": message.payload,
            "unread": "",
            "outcome": "",
            "last_error": "",
        }
    unhandled = PartnerEvent.objects.filter(pk=event.pk, handled_at=None)
    if unhandled.update(**changes):
        for name, value in changes.items():
            setattr(event, name, value)


@transaction.atomic
def _settle_if_read(provider: Provider, now: dt.datetime) -> None:
    """Complete the staff task unless a message of the partner is unread, or just coming in."""
    lock_rows(Provider, provider.pk)
    if not _waiting(provider).exists():
        settle_staff_task(
            kind=MESSAGES_UNREAD, subject=_subject(provider), resolution="No message is left unread.", now=now
        )


def _waiting(provider: Provider) -> QuerySet[PartnerEvent]:
    return PartnerEvent.objects.filter(provider=provider, handled_at=None, outcome=UNREAD)


def _subject(provider: Provider) -> str:
    return f"partner:{provider.pk}"


def _sentence(fault: Misread) -> str:
    return f"{fault}. Correct the partner's field map, then it is read again."
