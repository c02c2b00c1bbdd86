"""How somebody is reached: phone numbers and postal addresses as requests bring them, checked and in one spelling."""

from collections.abc import Mapping

from .errors import FieldError
from .phones import canonical_phone, phone_fault
from .postal import canonical_postal, postal_faults


def check_phone(field: str, text: str, faults: list[FieldError]) -> str:
    """The number in its one spelling, or what is wrong with it added to `faults`; empty if none is given."""
    if text and (fault := phone_fault(text)):
        faults.append(FieldError(field, "invalid", fault))
    return canonical_phone(text)


def check_postal(field: str, address: Mapping[str, str], faults: list[FieldError]) -> dict[str, str]:
    """The address in its one spelling, or what is wrong with each part added to `faults`."""
    wrong = postal_faults(address)
    faults += [FieldError(f"{field}.{part}", "invalid", fault) for part, fault in wrong.items()]
    return {} if wrong else canonical_postal(address)
