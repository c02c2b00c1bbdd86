"""Postal addresses: their parts, how each is spelled, and how they are shown."""

from collections.abc import Mapping

from iso3166 import countries_by_alpha2, countries_by_alpha3

from .characters import trim, visibility_fault

LENGTHS = {"streetOne": 200, "streetTwo": 200, "city": 100, "state": 100, "postalCode": 20, "country": 3}
PARTS = tuple(LENGTHS)  # in the order in which an address is written


def in_one_line(address: Mapping[str, str]) -> str:
    """Return the address as people write it on one line; empty if none is known."""
    return ", ".join(address[part] for part in PARTS if address.get(part))


def canonical_postal(address: Mapping[str, str]) -> dict[str, str]:
    """Return the address as it is stored: without empty parts, the country as its three-letter code."""
    trimmed = {part: trim(address.get(part) or "") for part in PARTS}
    country = trimmed["country"].upper()
    known = countries_by_alpha2.get(country)
    trimmed["country"] = known.alpha3 if known else country
    return {part: text for part, text in trimmed.items() if text}


def postal_faults(address: Mapping[str, object]) -> dict[str, str]:
    """Return what is wrong with each part, as sentences with the remedy; empty if nothing is."""
    faults = {part: f"An address has no such part. Its parts are {', '.join(PARTS)}." for part in address}
    for part, limit in LENGTHS.items():
        fault = _fault(part, address.get(part), limit)
        faults.pop(part, None)
        if fault:
            faults[part] = fault
    return faults


def _fault(part: str, value: object, limit: int) -> str:
    if value is None or value == "":
        return ""
    if not isinstance(value, str):
        return "Give text."
    text = trim(value)
    if part == "country":
        is_known = text.upper() in countries_by_alpha2 or text.upper() in countries_by_alpha3
        return "" if is_known else "Give the country's ISO 3166 code, as in US or USA."
    if len(text) > limit:
        return f"It has at most {limit} characters."
    return visibility_fault(text)
