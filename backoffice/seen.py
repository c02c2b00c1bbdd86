"""What a form showed when somebody opened it, so that saving it does not silently undo what others changed since.

The page carries a digest of each value. A form sent without them, by a script, is saved as it is.
"""

from typing import Any, Final

from django import forms
from django.contrib.admin.utils import display_for_value
from django.utils.crypto import salted_hmac

SEEN: Final = "_seen"
EMPTY: Final = "nothing"


def tell_seen(form: forms.BaseForm) -> str:
    """Return the fields and the digests of what they show, for the hidden input of the page: what it said before, while
    a preview is shown."""
    if form.is_bound and form.is_valid():
        return _told(form)
    return tell_present(form)


def tell_present(form: forms.BaseForm) -> str:
    """Return the same for a form that is shown only with what is there now, or with what is wrong with it."""
    return " ".join(f"{name}:{_digest(value)}" for name, value in _initial(form).items())


def refuse_overtaken(form: forms.BaseForm) -> None:
    """Add an error, from the (bound) form's `clean`, to each field that others changed since the form was opened and
    that saving it would change back or replace."""
    seen = dict(_read(entry) for entry in _told(form).split())
    for name, value in _initial(form).items():
        if name in seen and seen[name] != _digest(value) and name in form.changed_data:
            now = _in_words(form.fields[name], value)
            told = f"Somebody changed this to “{now}” after you opened the page. Save again to replace it."
            form.add_error(name, told)


def _told(form: forms.BaseForm) -> str:
    """Return what the page that was sent says that this form had shown."""
    return str(form.data.get(form.add_prefix(SEEN), ""))


def _initial(form: forms.BaseForm) -> dict[str, Any]:
    return {name: form.get_initial_for_field(field, name) for name, field in form.fields.items()}


def _digest(value: Any) -> str:
    return salted_hmac("backoffice.seen", str(value), algorithm="sha256").hexdigest()[:12]


def _read(entry: str) -> tuple[str, str]:
    name, _, digest = entry.partition(":")
    return name, digest


def _in_words(field: forms.Field, value: Any) -> str:
    """Return a field's value as its widget shows it."""
    if isinstance(field, forms.BooleanField):
        return "checked" if value else "not checked"
    if isinstance(field, forms.ModelChoiceField):
        return str((field.queryset and field.queryset.filter(pk=value).first()) or EMPTY)
    if isinstance(field, forms.ChoiceField):
        return str(dict(field.choices).get(value, value or EMPTY))  # type: ignore[arg-type]  # none of ours are grouped
    return display_for_value(field.prepare_value(value), EMPTY) or EMPTY
