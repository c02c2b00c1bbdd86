"""What a form showed when somebody opened it, so that saving it does not silently undo what others changed since.

The page carries a digest of each value. A form sent without them, by a script, is saved as it is.
"""

from typing import Any, Final

from django import forms
from django.contrib.admin.utils import display_for_field, display_for_value
from django.core.exceptions import FieldDoesNotExist
from django.utils.crypto import salted_hmac

SEEN: Final = "_seen"
EMPTY: Final = "nothing"


def tell_seen(form: forms.ModelForm) -> str:
    """Return the fields and the digests of what they show, for the hidden input of the page."""
    return " ".join(f"{name}:{_digest(value)}" for name, value in _initial(form).items())


def find_overtaken(form: forms.ModelForm) -> dict[str, str]:
    """Return, by name, the fields that others changed since this (bound) form was opened and that saving it would
    change back or replace, with their current values as staff read them."""
    seen = dict(_read(entry) for entry in form.data.get(SEEN, "").split())
    overtaken = {name: value for name, value in _initial(form).items() if name in seen and seen[name] != _digest(value)}
    return {name: _in_words(form, name, value) for name, value in overtaken.items() if name in form.changed_data}


def _initial(form: forms.ModelForm) -> dict[str, Any]:
    return {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}


def _digest(value: Any) -> str:
    return salted_hmac("backoffice.seen", str(value), algorithm="sha256").hexdigest()[:12]


def _read(entry: str) -> tuple[str, str]:
    name, _, digest = entry.partition(":")
    return name, digest


def _in_words(form: forms.ModelForm, name: str, value: Any) -> str:
    try:
        column = form._meta.model._meta.get_field(name)
    except FieldDoesNotExist:  # a field of the form alone
        return display_for_value(value, EMPTY)
    return display_for_field(value, column, EMPTY) or EMPTY
