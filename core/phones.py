"""Phone numbers: one spelling for each, as ITU-T E.164 writes it.

Only the form and the country calling code are checked, not whether the number is assigned to anybody: numbering plans
change more often than the library that knows them, and a number that nobody answers harms nobody.
"""

import re

import phonenumbers

MAX_LENGTH = 16  # E.164: the plus sign and at most 15 digits
_SEPARATORS = re.compile(r"[ ().\-]")
_E164 = re.compile(r"\+[0-9]{7,15}")
_REMEDY = "Give the number with its country code, as in +14155550123."


def canonical_phone(text: str) -> str:
    """Return the number in E.164 format. Text that is not a number comes back trimmed."""
    number = _parse(text)
    if number is None:
        return text.strip()
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def phone_fault(text: str) -> str:
    """Return why this is not a phone number, as a sentence with the remedy; empty if it is one."""
    return "" if _parse(text) is not None else _REMEDY


def _parse(text: str) -> phonenumbers.PhoneNumber | None:
    digits = _SEPARATORS.sub("", text.strip())
    if not _E164.fullmatch(digits):
        return None
    try:
        number = phonenumbers.parse(text.strip(), None)
    except phonenumbers.NumberParseException:
        return None
    is_e164 = _E164.fullmatch(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
    return number if is_e164 else None
