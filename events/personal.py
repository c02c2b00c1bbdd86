"""What this app stores about people: the events that contain an address (`core.personal`)."""

from typing import Any

from django.db.models import QuerySet

from core.personal import ERASED, Fate, Kind, Person, Personal

from .models import OutboxEvent


def _events(person: Person) -> QuerySet[OutboxEvent]:
    return OutboxEvent.objects.filter(aggregate__in=person.subjects)


def _erase_addresses(person: Person) -> int:
    """Erase addresses. The router's document requires the learner's address in ENROLLMENT_DECISION. Receivers keep what
    was already sent.
    """
    changed = 0
    for event in _events(person).order_by("pk"):
        payload = _without(event.payload, person.addresses)
        if payload != event.payload:
            changed += OutboxEvent.objects.filter(pk=event.pk).update(payload=payload)
    return changed


def _without(value: Any, addresses: frozenset[str]) -> Any:
    if isinstance(value, dict):
        return {key: _without(inner, addresses) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without(inner, addresses) for inner in value]
    return ERASED if isinstance(value, str) and value in addresses else value


PERSONAL = (Personal(OutboxEvent, {"payload": Kind.CONTACT}, Fate.REPLACED, _events, erase=_erase_addresses),)
