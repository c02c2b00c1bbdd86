"""Reading a partner's own messages: its JSON in, what we act on under our names out."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from core.text import fit
from core.vendors import Misread

from .field_map import EVENT, FieldMap
from .models import PartnerEvent, Provider

_TEXTS = ("completedAt", "certificateId", "certificateNumber", "downloadUrl")
_LONGEST_TEXT = 2000
_PROGRESS = "progress.updated"
_CERTIFICATE = "certificate.issued"


@dataclass(frozen=True, slots=True)
class Message:
    """A partner's message: what happened to whom, and only other fields we act on, since the rest may name people."""

    kind: str
    external_id: str
    payload: dict[str, Any]


def field_map_of(provider: Provider) -> FieldMap:
    return FieldMap(provider.field_map)


def read_message(fields: FieldMap, body: Mapping[str, Any]) -> Message:
    """Parse a message. Raises Misread, naming the field that is missing or wrong."""
    told = fields.need(EVENT, "event", body)
    if not _is_text(told):
        raise Misread(f"{fields.path(EVENT, 'event')} is no text that names an event")
    kind = fields.kind(told)
    external_id = _id(fields, body)
    payload = keep_payload({name: fields.read(EVENT, name, body) for name in ("progress", *_TEXTS)})
    if kind == _PROGRESS:
        payload["progress"] = percent(fields.need(EVENT, "progress", body), at=fields.path(EVENT, "progress"))
    if kind == _CERTIFICATE and not payload.keys() & {"certificateId", "certificateNumber", "downloadUrl"}:
        raise Misread("the message has neither certificateId nor certificateNumber nor downloadUrl")
    return Message(kind=fit(PartnerEvent, "type", kind), external_id=external_id, payload=payload)


def keep_payload(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parts of an event's data that we act on, under our names. Invalid values are left out."""
    payload = {name: data[name] for name in _TEXTS if _is_text(data.get(name))}
    with suppress(Misread):
        payload["progress"] = percent(data.get("progress"), at="progress")
    return payload


def percent(given: object, *, at: str) -> int:
    """Return the progress `at` a path. Raises Misread."""
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given <= 100:
        raise Misread(f"{at} is no number from 0 to 100")
    return int(given)


def _id(fields: FieldMap, body: Mapping[str, Any]) -> str:
    given = fields.need(EVENT, "enrollmentId", body)
    text = "" if isinstance(given, bool) or not isinstance(given, str | int) else str(given)
    if not 0 < len(text) <= 255 or not text.isprintable():
        raise Misread(f"{fields.path(EVENT, 'enrollmentId')} is no id: a number, or a text of at most 255 characters")
    return text


def _is_text(given: object) -> bool:
    return isinstance(given, str) and 0 < len(given) <= _LONGEST_TEXT and given.isprintable()
