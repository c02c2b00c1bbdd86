"""The optional details of an enrollment: which there are, what values each accepts, and how it is stored.

Every way in uses them: the API, forms, files.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from core.characters import storage_fault, trim, visibility_fault
from core.contact import check_phone, check_postal
from core.documents import document_fault
from core.errors import FieldError, item_of, refuse
from core.text import limit_of

from .models import Enrollment

MAX_TAGS = 50
MAX_TAG_LENGTH = 50
MAX_SLUGS = 50
MAX_SLUG_LENGTH = 100
SLUG_PATTERN = r"[a-z0-9]+([-_][a-z0-9]+)*"
_slug = re.compile(SLUG_PATTERN)

# Each detail as integrators spell it.
SPELLING = {
    "phone": "phone",
    "address": "address",
    "manufacturer_slugs": "manufacturerSlugs",
    "serial_number": "serialNumber",
    "reference_id": "referenceId",
    "reference_description": "referenceDescription",
    "tags": "tags",
    "metadata": "metadata",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EnrollmentDetails:
    """What may be stored about an enrollment besides the person it is for; all of it is optional."""

    phone: str = ""
    address: dict[str, str] = field(default_factory=dict)
    manufacturer_slugs: list[str] = field(default_factory=list)
    serial_number: str = ""
    reference_id: str = ""
    reference_description: str = ""
    tags: list[str] = field(default_factory=list)
    metadata: dict[str, Any] = field(default_factory=dict)

    def checked(self) -> "EnrollmentDetails":
        """Return the same details in the spelling that is stored. Raises Invalid naming every faulty field."""
        return EnrollmentDetails(**check_details(asdict(self)))


def check_details(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the details named in `given`, each in the spelling in which it is stored. Raises Invalid naming every
    fault in the spelling of SPELLING.
    """
    faults: list[FieldError] = []
    stored = {name: _RULES[name](SPELLING[name], value, faults) for name, value in given.items()}
    refuse(faults)
    return stored


def _text(column: str) -> Callable[[str, str, list[FieldError]], str]:
    limit = limit_of(Enrollment, column)

    def check(name: str, value: str, faults: list[FieldError]) -> str:
        text = trim(value)
        faults += _text_faults(name, text, limit)
        return text

    return check


def _tags(name: str, value: list[str], faults: list[FieldError]) -> list[str]:
    tags = list(dict.fromkeys(trim(tag) for tag in value))
    if len(tags) > MAX_TAGS:
        faults.append(FieldError(name, "too_many", f"Give at most {MAX_TAGS} tags."))
        return []
    for position, tag in enumerate(tags):
        faults += _text_faults(item_of(name, position), tag, MAX_TAG_LENGTH, is_required=True)
    return tags


def _slugs(name: str, value: list[str], faults: list[FieldError]) -> list[str]:
    slugs = list(dict.fromkeys(trim(slug) for slug in value))
    if len(slugs) > MAX_SLUGS:
        faults.append(FieldError(name, "too_many", f"Give at most {MAX_SLUGS} manufacturers."))
        return []
    for position, slug in enumerate(slugs):
        if len(slug) > MAX_SLUG_LENGTH or not _slug.fullmatch(slug):
            remedy = f"Give a slug of at most {MAX_SLUG_LENGTH} small letters and digits, joined by - or _."
            faults.append(FieldError(item_of(name, position), "invalid", remedy))
    return slugs


def _metadata(name: str, value: dict[str, Any], faults: list[FieldError]) -> dict[str, Any]:
    if fault := document_fault(value):
        faults.append(FieldError(name, "invalid", fault))
    return value


def _text_faults(name: str, text: str, limit: int, *, is_required: bool = False) -> list[FieldError]:
    if len(text) > limit:
        return [FieldError(name, "max_length", f"It has at most {limit} characters.")]
    fault = storage_fault(text) or visibility_fault(text)
    if not text and is_required:
        fault = "Give some text, or leave it out."
    return [FieldError(name, "invalid", fault)] if fault else []


_RULES: dict[str, Callable[[str, Any, list[FieldError]], Any]] = {
    "phone": check_phone,
    "address": check_postal,
    "manufacturer_slugs": _slugs,
    "serial_number": _text("serial_number"),
    "reference_id": _text("reference_id"),
    "reference_description": _text("reference_description"),
    "tags": _tags,
    "metadata": _metadata,
}
