"""The names, in a partner's JSON, of the fields that we send and read (docs/decisions/0101).

Each of our fields has a path (`learner.email` is `email` in the object `learner`), and each word that we act on has the
words that stand for it. A partner whose system uses other names has a map, which stores the differences from ours.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from core.characters import visibility_fault
from core.errors import FieldError, item_of
from core.vendors import Misread

REQUEST = "request"  # the body of the request that enrolls a learner
LOOKUP = "lookup"  # what surrounds an enrollment in a URL and in a response
ANSWER = "answer"  # an enrollment, as the partner returns it
EVENT = "event"  # the partner's own events
WORDS = "words"

MAX_PATH = 200
MAX_WORDS = 10
MAX_WORD = 100
_STEP = r"[A-Za-z0-9_$@-]{1,60}"
_PATH = re.compile(rf"{_STEP}(?:\.{_STEP}){{0,4}}")
_PARAMETER = re.compile(r"[A-Za-z0-9_$.\[\]-]{1,60}")
_WRONG_PATH = "Give a name, or up to five joined by dots as in learner.email: letters, digits, _, -, $ and @."
_WRONG_PARAMETER = "Give the name of a parameter: letters, digits, _, -, $, dots and square brackets."
_UNKNOWN = "There is no such field. Those that can be mapped are in docs/partners.md."


@dataclass(frozen=True, slots=True)
class MappedField:
    """One of our fields, its default path, and what staff read about it. An optional field may be left out: then it is
    not sent, or not read.
    """

    part: str
    name: str
    path: str
    meaning: str
    is_needed: bool = False

    @property
    def key(self) -> str:
        return f"{self.part}.{self.name}"


@dataclass(frozen=True, slots=True)
class MappedWord:
    """One of our words, and the partner's words for it by default."""

    name: str
    ours: str
    usual: tuple[str, ...]
    meaning: str
    is_needed: bool = False

    @property
    def key(self) -> str:
        return f"{WORDS}.{self.name}"

    @property
    def is_event(self) -> bool:
        return self.name.startswith("event")


FIELDS = (
    MappedField(REQUEST, "courseId", "course_id", "The course, as the partner calls it", is_needed=True),
    MappedField(REQUEST, "reference", "reference", "Our reference", is_needed=True),
    MappedField(REQUEST, "learnerId", "learner.id", "Our id of the learner"),
    MappedField(REQUEST, "email", "learner.email", "Email address"),
    MappedField(REQUEST, "firstName", "learner.first_name", "First name"),
    MappedField(REQUEST, "lastName", "learner.last_name", "Last name"),
    MappedField(LOOKUP, "parameter", "reference", "Parameter by which it is asked for our reference", is_needed=True),
    MappedField(LOOKUP, "list", "data", "Where the list stands, unless the answer is the list"),
    MappedField(LOOKUP, "enrollment", "", "Where a single enrollment stands, unless the answer is the enrollment"),
    MappedField(ANSWER, "id", "id", "The partner's id of the enrollment", is_needed=True),
    MappedField(ANSWER, "reference", "reference", "Our reference", is_needed=True),
    MappedField(ANSWER, "status", "status", "How the enrollment stands", is_needed=True),
    MappedField(ANSWER, "launchUrl", "launch_url", "Where the learner begins"),
    MappedField(ANSWER, "progress", "progress", "Progress in percent"),
    MappedField(ANSWER, "completedAt", "completed_at", "When it was completed"),
    MappedField(ANSWER, "certificateId", "certificate.id", "Id of the certificate"),
    MappedField(ANSWER, "certificateNumber", "certificate.number", "Number of the certificate"),
    MappedField(ANSWER, "downloadUrl", "certificate.download_url", "Where the certificate is downloaded"),
    MappedField(EVENT, "event", "event", "What has happened", is_needed=True),
    MappedField(EVENT, "enrollmentId", "data.enrollmentId", "The partner's id of the enrollment", is_needed=True),
    MappedField(EVENT, "progress", "data.progress", "Progress in percent"),
    MappedField(EVENT, "completedAt", "data.completedAt", "When it was completed"),
    MappedField(EVENT, "certificateId", "data.certificateId", "Id of the certificate"),
    MappedField(EVENT, "certificateNumber", "data.certificateNumber", "Number of the certificate"),
    MappedField(EVENT, "downloadUrl", "data.downloadUrl", "Where the certificate is downloaded"),
)
MAPPED_WORDS = (
    MappedWord("statusCompleted", "completed", ("completed",), "Status of a completed enrollment", is_needed=True),
    MappedWord("statusWithdrawn", "withdrawn", ("withdrawn",), "Status of one that has ended otherwise"),
    MappedWord("eventCreated", "enrollment.created", ("enrollment.created",), "The learner was enrolled"),
    MappedWord(
        "eventProgress", "progress.updated", ("progress.updated", "course.progress"), "The learner has got further"
    ),
    MappedWord("eventCompleted", "course.completed", ("course.completed",), "The course is completed", is_needed=True),
    MappedWord("eventCertificate", "certificate.issued", ("certificate.issued",), "The partner has a certificate"),
)
PARTS = (REQUEST, LOOKUP, ANSWER, EVENT)
_FIELD_OF = {field.key: field for field in FIELDS}
_WORD_OF = {word.name: word for word in MAPPED_WORDS}
# Two paths of the same part must differ, except in LOOKUP, whose paths are in different places.
_APART = (REQUEST, ANSWER, EVENT)


@dataclass(frozen=True, slots=True)
class FieldMap:
    """One partner's names and words. `differing` are the stored differences from ours."""

    differing: Mapping[str, Mapping[str, Any]]

    def path(self, part: str, name: str) -> str:
        """Return the path of one of our fields; empty if the partner has no such field."""
        return str(self.differing.get(part, {}).get(name, _FIELD_OF[f"{part}.{name}"].path))

    def words(self, name: str) -> tuple[str, ...]:
        return tuple(self.differing.get(WORDS, {}).get(name, _WORD_OF[name].usual))

    def write(self, part: str, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return a body with these values of ours at the partner's paths."""
        body: dict[str, Any] = {}
        for name, value in values.items():
            if path := self.path(part, name):
                *objects, last = path.split(".")
                place = body
                for each in objects:
                    place = place.setdefault(each, {})
                place[last] = value
        return body

    def read(self, part: str, name: str, body: Any) -> Any:
        """Return the value of one of our fields in the partner's body; None if it is missing."""
        path = self.path(part, name)
        return pick(body, path) if path else None

    def need(self, part: str, name: str, body: Any) -> Any:
        """Return the value of a required field. Raises Misread."""
        value = self.read(part, name, body)
        if value is None:
            raise Misread(f"{self.path(part, name)} is missing, where we read {name}")
        return value

    def status(self, told: object) -> str:
        """Return a status in our words; an unknown one is returned as the partner says it."""
        return self._ours(str(told), is_event=False) or "active"

    def kind(self, told: str) -> str:
        """Return the kind of an event in our words. An unknown kind is kept as the partner says it, but never looks
        like one of ours.
        """
        ours = self._ours(told, is_event=True)
        if ours:
            return ours
        return f"{told} (theirs)" if any(told in word.usual for word in MAPPED_WORDS if word.is_event) else told

    def _ours(self, told: str, *, is_event: bool) -> str:
        known = (word for word in MAPPED_WORDS if word.is_event is is_event and told in self.words(word.name))
        return next((word.ours for word in known), "")

    @property
    def digest(self) -> str:
        """Identify the map's contents."""
        return hashlib.sha256(json.dumps(self.whole()).encode()).hexdigest()[:16]

    def whole(self) -> dict[str, dict[str, Any]]:
        """Return all names and words, including those of ours."""
        shown: dict[str, dict[str, Any]] = {part: {} for part in PARTS}
        for field in FIELDS:
            shown[field.part][field.name] = self.path(field.part, field.name)
        return {**shown, WORDS: {word.name: list(self.words(word.name)) for word in MAPPED_WORDS}}


def pick(body: Any, path: str) -> Any:
    """Return the value at a path; None if there is none."""
    for step in path.split("."):
        if not isinstance(body, dict):
            return None
        body = body.get(step)
    return body


def list_paths(body: Any, *, at_most: int) -> list[str]:
    """Return the paths in a message, without their values: staff who fix a map choose among them."""
    return [path for path, _ in zip(_walk(body, ""), range(at_most), strict=False)]


def _walk(body: Any, before: str) -> Iterator[str]:
    for name, value in body.items():
        path = f"{before}.{name}" if before else str(name)
        if not _PATH.fullmatch(path):
            continue
        if isinstance(value, dict):
            yield from _walk(value, path)
        else:
            yield path


def keep_differing(given: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the part of a valid map that must be stored: the differences from ours."""
    kept: dict[str, dict[str, Any]] = {}
    for part, names in given.items():
        for name, value in names.items():
            usual: Any = list(_WORD_OF[name].usual) if part == WORDS else _FIELD_OF[f"{part}.{name}"].path
            if value != usual:
                kept.setdefault(part, {})[name] = value
    return kept


def find_faults(given: Any) -> list[FieldError]:
    """Return the faults in a map, each with its position: `answer.launchUrl`. What it leaves out is as in ours."""
    if not isinstance(given, dict):
        return [FieldError("", "invalid", "Give an object.")]
    faults = [FieldError(str(part), "unknown", _UNKNOWN) for part in given if part not in (*PARTS, WORDS)]
    for part in (*PARTS, WORDS):
        names = given.get(part, {})
        if not isinstance(names, dict):
            faults.append(FieldError(part, "invalid", "Give an object."))
            continue
        check = _find_faults_of_words if part == WORDS else _find_faults_of_path
        for name, value in names.items():
            faults += check(part, name, value)
    return faults or [*_find_shared_paths(given), *_find_shared_words(given)]


def _find_faults_of_path(part: str, name: Any, path: Any) -> Iterator[FieldError]:
    key = f"{part}.{name}"
    field = _FIELD_OF.get(key)
    if field is None:
        yield FieldError(key, "unknown", _UNKNOWN)
    elif path == "":
        if field.is_needed:
            yield FieldError(key, "required", "This one can't be left out.")
    elif field.key == f"{LOOKUP}.parameter":
        if not isinstance(path, str) or not _PARAMETER.fullmatch(path):
            yield FieldError(key, "invalid", _WRONG_PARAMETER)
    elif not isinstance(path, str) or len(path) > MAX_PATH or not _PATH.fullmatch(path):
        yield FieldError(key, "invalid", _WRONG_PATH)


def _find_faults_of_words(part: str, name: Any, words: Any) -> Iterator[FieldError]:
    key = f"{part}.{name}"
    word = _WORD_OF.get(name)
    if word is None:
        yield FieldError(key, "unknown", _UNKNOWN)
    elif not isinstance(words, list) or len(words) > MAX_WORDS:
        yield FieldError(key, "invalid", f"Give a list of at most {MAX_WORDS} words.")
    elif not words and word.is_needed:
        yield FieldError(key, "required", "This one needs a word.")
    else:
        for number, told in enumerate(words):
            if not isinstance(told, str) or not 0 < len(told) <= MAX_WORD or told != told.strip() or "," in told:
                detail = f"Give a word of at most {MAX_WORD} characters, without commas."
                yield FieldError(item_of(key, number), "invalid", detail)
            elif fault := visibility_fault(told):
                yield FieldError(item_of(key, number), "invalid", fault)


def _find_shared_paths(given: Mapping[str, Any]) -> Iterator[FieldError]:
    """Find two of our fields at one path, or one inside another."""
    wanted = FieldMap(given)
    for part in _APART:
        taken: dict[str, MappedField] = {}
        for field in sorted(
            (each for each in FIELDS if each.part == part), key=lambda each: each.name in given.get(part, {})
        ):
            path = wanted.path(part, field.name)
            for other, owner in taken.items() if path else ():
                if f"{path}.".startswith(f"{other}.") or f"{other}.".startswith(f"{path}."):
                    detail = f"{other} is the place of {owner.name} already. Give each field a place of its own."
                    yield FieldError(field.key, "shared", detail)
                    break
            else:
                taken |= {path: field} if path else {}


def _find_shared_words(given: Mapping[str, Any]) -> Iterator[FieldError]:
    """Find words with two meanings."""
    wanted = FieldMap(given)
    for is_event in (False, True):
        taken: dict[str, MappedWord] = {}
        for word in (each for each in MAPPED_WORDS if each.is_event is is_event):
            for told in wanted.words(word.name):
                if told in taken:
                    detail = f"{told} stands for {taken[told].name} already. Give each its own words."
                    yield FieldError(word.key, "shared", detail)
                taken.setdefault(told, word)
