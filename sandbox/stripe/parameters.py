"""Stripe's request parameters: the bracketed form encoding, and the accepted values of each parameter.

An operation declares its parameters as a mapping of name to kind. `parse` returns the given values, converted, and
raises Stripe's 400 for an unknown, missing, or malformed one.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import parse_qsl, urlsplit

from sandbox.stripe.errors import StripeError, invalid
from sandbox.stripe.money import PRESENTMENT

DEEPEST = 6
MOST_PAIRS = 1_000
KEY = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")


class Kind(Protocol):
    @property
    def required(self) -> bool: ...

    def clean(self, value: Any, name: str) -> Any: ...


def decode(encoded: bytes) -> dict[str, Any]:
    """Return nested dictionaries of text from `a[b][0]=c`; indexes and `[]` stay keys until a List reads them."""
    try:
        pairs = parse_qsl(encoded.decode(), keep_blank_values=True, errors="strict", max_num_fields=MOST_PAIRS)
    except ValueError as error:
        raise StripeError("Invalid request: the parameters are not valid form encoding.") from error
    tree: dict[str, Any] = {}
    for key, value in pairs:
        _place(tree, key, value)
    return tree


def parse(kinds: Mapping[str, Kind], given: Mapping[str, Any], *, within: str = "") -> dict[str, Any]:
    for name in given:
        if name not in kinds:
            full = _nested(within, name)
            raise invalid(full, f"Received unknown parameter: {full}", "parameter_unknown")
    for name, kind in kinds.items():
        if kind.required and name not in given:
            full = _nested(within, name)
            raise invalid(full, f"Missing required param: {full}.", "parameter_missing")
    return {name: kinds[name].clean(value, _nested(within, name)) for name, value in given.items()}


@dataclass(frozen=True)
class Text:
    required: bool = False
    longest: int = 5_000

    def clean(self, value: Any, name: str) -> str:
        if not isinstance(value, str):
            raise invalid(name, f"Invalid string: {value}")
        if not value:
            message = f"You passed an empty string for '{name}'. Leave the parameter out to leave it unset."
            raise invalid(name, message, "parameter_invalid_empty")
        if len(value) > self.longest:
            raise invalid(name, f"Invalid string: must be at most {self.longest} characters.")
        if "\x00" in value:
            raise invalid(name, "Invalid string: must not contain null bytes.")
        return value


@dataclass(frozen=True)
class Integer:
    required: bool = False
    least: int = 0
    most: int = 2**53

    def clean(self, value: Any, name: str) -> int:
        if not isinstance(value, str) or not re.fullmatch(r"-?[0-9]{1,18}", value):
            raise invalid(name, f"Invalid integer: {value}", "parameter_invalid_integer")
        number = int(value)
        if not self.least <= number <= self.most:
            bound = f"greater than or equal to {self.least}" if number < self.least else f"at most {self.most}"
            raise invalid(name, f"This value must be {bound} (it currently is '{value}').", "parameter_invalid_integer")
        return number


@dataclass(frozen=True)
class Boolean:
    required: bool = False

    def clean(self, value: Any, name: str) -> bool:
        if value not in ("true", "false"):
            raise invalid(name, f"Invalid boolean: {value}")
        return bool(value == "true")


@dataclass(frozen=True)
class Choice:
    of: tuple[str, ...]
    required: bool = False

    def clean(self, value: Any, name: str) -> str:
        if value not in self.of:
            raise invalid(name, f"Invalid {name}: must be one of {', '.join(self.of)}")
        return str(value)


@dataclass(frozen=True)
class Address:
    """A URL; it may contain `{CHECKOUT_SESSION_ID}`."""

    required: bool = False

    def clean(self, value: Any, name: str) -> str:
        text = Text().clean(value, name)
        try:
            parts = urlsplit(text)
        except ValueError:
            parts = None
        if parts is None or parts.scheme not in {"http", "https"} or not parts.hostname or re.search(r"\s", text):
            raise invalid(name, "Not a valid URL", "url_invalid")
        return text


@dataclass(frozen=True)
class Email:
    required: bool = False

    def clean(self, value: Any, name: str) -> str:
        text = Text(longest=500).clean(value, name)
        if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", text):
            raise invalid(name, f"Invalid email address: {text}", "email_invalid")
        return text


@dataclass(frozen=True)
class Currency:
    required: bool = False

    def clean(self, value: Any, name: str) -> str:
        if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z]{3}", value):
            raise invalid(name, f"Invalid currency: {value}. Send a three-letter ISO code.")
        if value.lower() not in PRESENTMENT:
            raise invalid(name, f"Invalid currency: {value.lower()}. Stripe does not support this currency.")
        return value.lower()


@dataclass(frozen=True)
class Hash:
    of: Mapping[str, Kind]
    required: bool = False

    def clean(self, value: Any, name: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise invalid(name, "Invalid object")
        return parse(self.of, value, within=name)


@dataclass(frozen=True)
class List:
    of: Kind
    required: bool = False
    most: int = 100

    def clean(self, value: Any, name: str) -> list[Any]:
        if not isinstance(value, dict) or not all(index.isascii() and index.isdigit() for index in value):
            raise invalid(name, "Invalid array")
        if len(value) > self.most:
            raise invalid(name, f"Array too long: at most {self.most} entries.")
        return [self.of.clean(item, f"{name}[{index}]") for index, item in value.items()]


@dataclass(frozen=True)
class Metadata:
    required: bool = False

    def clean(self, value: Any, name: str) -> dict[str, str]:
        if not isinstance(value, dict):
            raise invalid(name, "Metadata must be a hash of text.")
        if len(value) > 50:
            raise invalid(name, "You can have at most 50 metadata keys.")
        for key, item in value.items():
            if len(key) > 40:
                raise invalid(name, f"Metadata keys can have up to 40 characters: '{key[:40]}...' is longer.")
            if not isinstance(item, str) or len(item) > 500:
                raise invalid(_nested(name, key), "Metadata values must be text of up to 500 characters.")
        return {key: item for key, item in value.items() if item}


@dataclass(frozen=True)
class Period:
    """`created`: a second, or bounds on it. Returned as lookups, `{"gte": 1}`; an exact second as `{"exact": 1}`."""

    required: bool = False
    bounds: Mapping[str, Kind] = field(default_factory=lambda: dict.fromkeys(("gt", "gte", "lt", "lte"), Integer()))

    def clean(self, value: Any, name: str) -> dict[str, int]:
        if isinstance(value, str):
            return {"exact": Integer().clean(value, name)}
        return parse(self.bounds, value, within=name)


def _nested(within: str, name: str) -> str:
    return f"{within}[{name}]" if within else name


def _place(tree: dict[str, Any], key: str, value: str) -> None:
    match = KEY.fullmatch(key)
    if match is None:
        raise invalid(key[:100], f"Invalid parameter name: {key[:100]}")
    first, brackets = match.groups()
    *parents, last = [first, *re.findall(r"\[([^\[\]]*)\]", brackets)]
    if len(parents) >= DEEPEST:
        raise invalid(key[:100], "Parameters are nested too deeply.")
    node = tree
    for part in parents:
        node = node.setdefault(part or str(len(node)), {})
        if not isinstance(node, dict):
            raise invalid(key[:100], f"{key[:100]} is given both as a value and as an object.")
    last = last or str(len(node))
    if isinstance(node.get(last), dict):
        raise invalid(key[:100], f"{key[:100]} is given both as a value and as an object.")
    node[last] = value
