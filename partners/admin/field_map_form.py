"""The form of a partner's field map: an input for each field and each word, and examples of the result."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms

from backoffice.actions import StaffForm
from core.errors import FieldError

from ..field_map import (
    ANSWER,
    EVENT,
    FIELDS,
    LOOKUP,
    MAPPED_WORDS,
    MAX_PATH,
    MAX_WORD,
    MAX_WORDS,
    REQUEST,
    WORDS,
    FieldMap,
)
from ..gateways.contract import EnrollmentRequest
from ..gateways.rest import write_request

_TITLES = {
    REQUEST: ("What we send", "The body that the partner is asked with to take a learner."),
    LOOKUP: ("Requests and answers", "How it is asked what it knows, and where enrollments stand in its answers."),
    ANSWER: ("An enrollment in its answers", "Where our fields stand inside one enrollment."),
    EVENT: ("What it tells by itself", "Where our fields stand in the messages that it posts to us."),
    WORDS: ("Its words", "Its words for our terms. Separate several with commas."),
}
_SAMPLE = EnrollmentRequest(
    reference="tz4a98xxat96iws9zmbrgj3a",
    course_id="algebra-1",
    learner_cuid="cllgn0u4r000008l7eazybfbo",
    email="jane@school.example",
    first_name="Jane",
    last_name="Doe",
)
_TOLD = {
    "certificateId": "cert-7",
    "certificateNumber": "C-000007",
    "downloadUrl": "https://lms.example/certificates/7",
    "completedAt": "2026-03-02T16:59:00Z",
}


@dataclass(frozen=True, slots=True)
class Example:
    """A request or a response under a map."""

    title: str
    text: str


def _field_name(key: str) -> str:
    return key.replace(".", "_")


class FieldMapForm(StaffForm):
    """`row` is the partner. A field whose input is empty is not sent, or not read."""

    def prepare(self) -> None:
        present = FieldMap(self.row.field_map)
        for field in FIELDS:
            self.fields[_field_name(field.key)] = forms.CharField(
                label=field.meaning,
                required=False,
                max_length=MAX_PATH,
                initial=present.path(field.part, field.name),
                help_text=_help(field.path, is_needed=field.is_needed),
                widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
            )
        for word in MAPPED_WORDS:
            self.fields[_field_name(word.key)] = forms.CharField(
                label=word.meaning,
                required=False,
                max_length=(MAX_WORD + 2) * MAX_WORDS,
                initial=", ".join(present.words(word.name)),
                help_text=_help(", ".join(word.usual), is_needed=word.is_needed),
                widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
            )

    @property
    def parts(self) -> list[dict[str, Any]]:
        """Return what the page shows for each part."""
        keys = [field.key for field in FIELDS] + [word.key for word in MAPPED_WORDS]
        return [
            {
                "key": part,
                "title": title,
                "text": text,
                "fields": [self[_field_name(key)] for key in keys if key.partition(".")[0] == part],
            }
            for part, (title, text) in _TITLES.items()
        ]

    def told(self) -> dict[str, dict[str, Any]]:
        """Return the map as it was typed."""
        told: dict[str, dict[str, Any]] = {}
        for field in FIELDS:
            told.setdefault(field.part, {})[field.name] = self.cleaned_data[_field_name(field.key)]
        told[WORDS] = {}
        for word in MAPPED_WORDS:
            words = self.cleaned_data[_field_name(word.key)].split(",")
            told[WORDS][word.name] = [each.strip() for each in words if each.strip()]
        return told

    def show(self, faults: Sequence[FieldError]) -> None:
        """Put each fault next to the field it concerns."""
        for fault in faults:
            name = _field_name(fault.field.partition("[")[0].removeprefix("field_map."))
            self.add_error(name if name in self.fields else None, fault.detail)


def examples_of(fields: FieldMap) -> list[Example]:
    """Return examples of what is sent under a map, and of what is read."""
    values = {
        "id": "enr-1",
        "reference": _SAMPLE.reference,
        "launchUrl": "https://lms.example/launch/1",
        "status": fields.words("statusCompleted")[0],
        "progress": 100,
        **_TOLD,
    }
    enrollment = fields.write(ANSWER, values)
    listed = _inside([enrollment], fields.path(LOOKUP, "list"))
    told = {
        "event": fields.words("eventCompleted")[0],
        "enrollmentId": "enr-1",
        "completedAt": _TOLD["completedAt"],
    }
    return [
        Example("We send, to enroll a learner", _pretty(write_request(fields, _SAMPLE))),
        Example("It answers about one enrollment", _pretty(_inside(enrollment, fields.path(LOOKUP, "enrollment")))),
        Example(f"It answers to ?{fields.path(LOOKUP, 'parameter')}={_SAMPLE.reference}", _pretty(listed)),
        Example("It tells that a course is completed", _pretty(fields.write(EVENT, told))),
    ]


def _inside(value: Any, path: str) -> Any:
    for step in reversed(path.split(".") if path else []):
        value = {step: value}
    return value


def _pretty(body: Any) -> str:
    return json.dumps(body, indent=2, ensure_ascii=False)


def _help(ours: str, *, is_needed: bool) -> str:
    name = f"Ours: {ours}." if ours else "Ours: none."
    return f"{name} Always needed." if is_needed else name
