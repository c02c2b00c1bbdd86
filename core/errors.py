"""The refusals a use case may raise. Only the edges (API, pages, admin, commands) turn them into answers."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from django.utils.translation import gettext, gettext_noop

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class FieldError:
    """What is wrong with one field: its place in the request body (`address.city`, or by `item_of`), a stable code, and
    how to correct it."""

    field: str
    code: str
    detail: str


def item_of(field: str, position: int, name: str = "") -> str:
    """Return how errors name an item of a list (counted from 0) or a field of it: `tags[0]`, `steps[1].partner`."""
    return f"{field}[{position}].{name}" if name else f"{field}[{position}]"


def read_item(field: str) -> tuple[str, int, str] | None:
    """Parse what `item_of` returned: the list, the position, and the item's field, which is empty for the item itself.
    Return None for any other place."""
    found = _ITEM.fullmatch(field)
    return (found[1], int(found[2]), found[3] or "") if found else None


_ITEM = re.compile(r"(\w+)\[(\d+)\](?:\.(.+))?")


class DomainError(Exception):
    """A refusal with a stable `code`, the HTTP `status` that fits it, and a sentence a person can act on."""

    status = 409
    code = "conflict"
    title = gettext_noop("The request conflicts with the current state")

    def __init__(self, detail: str = "", *, errors: tuple[FieldError, ...] = (), **extra: object) -> None:
        self.title = gettext(self.title)
        self.detail = detail or self.title
        self.errors = errors
        self.extra = extra
        super().__init__(self.detail)


class NotFound(DomainError):
    """There is no such thing in the caller's workspace, whether or not it exists in another."""

    status = 404
    code = "not_found"
    title = gettext_noop("Not found")


class Invalid(DomainError):
    """The input is well-formed but not acceptable; `errors` names the fields."""

    status = 422
    code = "invalid"
    title = "The request body does not validate"


class Unavailable(DomainError):
    """Something we depend on does not answer. Nothing is lost: repeat the same request after `retry_after` seconds."""

    status = 503
    code = "unavailable"
    title = gettext_noop("Temporarily unavailable")
    retry_after = 5
    address_setting = ""  # the setting that holds the address we used


class TransitionNotAllowed(DomainError):
    """The state machine has no such transition from the current state."""

    code = "transition_not_allowed"
    title = "This change is not possible from the current state"


class Contradiction(Exception):  # a fact, like the names of the refusals
    """Something that a constraint or every caller rules out has happened: our mistake, not the caller's."""


def require(value: Value | None, because: str) -> Value:
    """Return a value that is always present, `because` saying why. Raises Contradiction if it is missing, before
    anything is done with it.
    """
    if value is None:
        raise Contradiction(f"It does not hold that {because}.")
    return value


def refuse(faults: Sequence[FieldError]) -> None:
    """Raise an `Invalid` that names all these faults; do nothing if there are none."""
    if faults:
        raise invalid_fields(faults)


def invalid_fields(faults: Sequence[FieldError]) -> Invalid:
    """Return an `Invalid` about several fields."""
    return Invalid(in_one_sentence(faults), errors=tuple(faults))


def in_one_sentence(faults: Sequence[FieldError]) -> str:
    """Return the first five faults, each with its field, as one sentence."""
    told = [f"{each.field}: {each.detail}" for each in faults[:5]]
    return "; ".join([*(each.removesuffix(".") for each in told[:-1]), *told[-1:]])


def invalid_field(field: str, code: str, detail: str) -> Invalid:
    """Return an `Invalid` about one field."""
    return Invalid(f"{field}: {detail}", errors=(FieldError(field, code, detail),))
