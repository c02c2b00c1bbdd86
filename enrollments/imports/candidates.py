"""A record of a file as a candidate: the person, and what is stored about them. The rules are those of the API."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.addresses import address_fault, canonical_address
from core.characters import trim, visibility_fault
from core.errors import FieldError, Invalid, item_of, refuse
from core.ids import is_cuid

from ..details import SPELLING, EnrollmentDetails, check_details
from ..eligibility.faults import closest
from ..identification import (
    IDENTITIES,
    ByEarlierEnrollment,
    ByInfo,
    ByLead,
    ByLearner,
    Identification,
    identity_faults,
)
from ..states import IdentificationType
from .columns import LISTS, TEXTS

NAME_LENGTH = 150
_KNOWN = {*TEXTS, *LISTS, "address", "metadata"}
_DETAILS = {spelled: name for name, spelled in SPELLING.items()}
_OBJECTS = ("address", "metadata")


@dataclass(frozen=True, slots=True)
class Candidate:
    """The contents of one record. `details` are validated; `told` are its fields' names as the code spells them."""

    line: int
    identification: Identification
    details: EnrollmentDetails
    told: tuple[str, ...]


def read_candidate(line: int, document: Mapping[str, Any]) -> Candidate:
    """Parse a record. Raises Invalid naming every faulty field."""
    given = {name: value for name, value in document.items() if value is not None and value != ""}
    faults = [fault for name, value in given.items() if (fault := _type_fault(name, value))]
    refuse(faults)
    kind = _kind_of(given)
    faults = identity_faults(kind, given)
    names = {name: _text(given, name, faults) for name in ("firstName", "lastName")}
    email = _email(given, faults)
    told = {_DETAILS[name]: value for name, value in given.items() if name in _DETAILS}
    try:
        details = EnrollmentDetails(**check_details(told))
    except Invalid as refusal:
        refuse([*faults, *refusal.errors])
        raise
    refuse(faults)
    identification = _identification(kind, given, names, email)
    return Candidate(line, identification, details, tuple(told))


def _type_fault(name: str, value: Any) -> FieldError | None:
    if name not in _KNOWN:
        return FieldError(name[:100], "unknown_field", f"There is no such field{closest(name[:100], _KNOWN)}.")
    if name in _OBJECTS:
        return None if isinstance(value, dict) else FieldError(name, "invalid", "Give a JSON object.")
    if name in LISTS:
        if not isinstance(value, list):
            return FieldError(name, "invalid", "Give a list of texts.")
        wrong = next((at for at, item in enumerate(value) if not isinstance(item, str)), None)
        return None if wrong is None else FieldError(item_of(name, wrong), "invalid", "Give text.")
    return None if isinstance(value, str) else FieldError(name, "invalid", "Give text, in quotes.")


def _kind_of(given: Mapping[str, Any]) -> IdentificationType:
    """Return the type that the record names, or that its fields imply: exactly one id, or a full description."""
    said = given.get("identificationType")
    if said is None:
        return next((kind for kind, name in IDENTITIES.items() if name in given), IdentificationType.CUSTOMER_INFO)
    if said not in IdentificationType.values:
        remedy = f"Give one of {', '.join(IdentificationType.values)}, or leave it out."
        refuse([FieldError("identificationType", "invalid_choice", remedy)])
    return IdentificationType(said)


def _text(given: Mapping[str, Any], name: str, faults: list[FieldError]) -> str:
    text = trim(given.get(name, ""))
    if len(text) > NAME_LENGTH:
        faults.append(FieldError(name, "max_length", f"It has at most {NAME_LENGTH} characters."))
    elif fault := visibility_fault(text):
        faults.append(FieldError(name, "invalid", fault))
    return text


def _email(given: Mapping[str, Any], faults: list[FieldError]) -> str:
    if "email" not in given:
        return ""
    if fault := address_fault(given["email"]):
        faults.append(FieldError("email", "invalid", fault))
    return canonical_address(given["email"])


def _identification(
    kind: IdentificationType, given: Mapping[str, Any], names: Mapping[str, str], email: str
) -> Identification:
    person = {"first_name": names["firstName"], "last_name": names["lastName"], "email": email}
    if kind is IdentificationType.CUSTOMER_INFO:
        return ByInfo(**person)
    field = IDENTITIES[kind]
    if not is_cuid(given[field]):
        refuse([FieldError(field, "not_found", "There is no such id: ids are 20 to 32 small letters and digits.")])
    if kind is IdentificationType.LEAD_ID:
        return ByLead(lead_id=given[field], **person)
    return ByLearner(given[field]) if kind is IdentificationType.CUSTOMER_ID else ByEarlierEnrollment(given[field])
