"""Contact details: phone numbers and postal addresses from requests, checked and put into their canonical spelling."""

from collections.abc import Mapping

from .errors import FieldError
from .phones import canonical_phone, phone_fault
from .postal import canonical_postal, postal_faults


def check_phone(field: str, text: str, faults: list[FieldError]) -> str:
    """Return the canonical spelling of the number, empty if none is given; add what is wrong with it to `faults`."""
    if text and (fault := phone_fault(text)):
        faults.append(FieldError(field, "invalid", fault))
    return canonical_phone(text)


def check_postal(field: str, address: Mapping[str, str], faults: list[FieldError]) -> dict[str, str]:
    """Return the canonical spelling of the address; add what is wrong with each part to `faults`."""
    wrong = postal_faults(address)
    faults += [FieldError(f"{field}.{part}", "invalid", fault) for part, fault in wrong.items()]
    return {} if wrong else canonical_postal(address)
