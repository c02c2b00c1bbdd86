"""What all our forms require of the texts and numbers typed into them."""

from typing import Any

from django import forms
from django.db import models

from .characters import trim, visibility_fault
from .numbers import MAX_BIGINT, MAX_INT, MAX_SMALLINT, parse_whole_number, whole_number_wanted

_HIGHEST = {
    "SmallIntegerField": MAX_SMALLINT,
    "PositiveSmallIntegerField": MAX_SMALLINT,
    "IntegerField": MAX_INT,
    "PositiveIntegerField": MAX_INT,
    "BigIntegerField": MAX_BIGINT,
    "PositiveBigIntegerField": MAX_BIGINT,
}


class WholeNumberField(forms.IntegerField):
    """A whole number as `parse_whole_number` reads it, with a minus sign where negative numbers are allowed; Django's
    own field accepts 1_000 and the digits of all scripts."""

    def __init__(self, *, min_value: int = 0, max_value: int = MAX_BIGINT, **kwargs: Any) -> None:
        super().__init__(min_value=min_value, max_value=max_value, **kwargs)
        self.takes_minus = min_value < 0
        wanted = whole_number_wanted(lowest=min_value, highest=max_value)
        self.error_messages |= dict.fromkeys(("invalid", "min_value", "max_value"), wanted)

    def to_python(self, value: Any) -> int | None:
        if value in self.empty_values:
            return None
        text = str(value)
        digits = text.removeprefix("-") if self.takes_minus else text
        number = parse_whole_number(digits)
        if number is None:
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")
        return number if digits == text else -number


def highest_in(column: "models.IntegerField[Any, Any]") -> int:
    """Return the largest number a column may hold: PostgreSQL's limit, whichever database is in use."""
    return _HIGHEST[column.get_internal_type()]


def check_texts(form: forms.BaseForm) -> None:
    """Trim the cleaned texts of a form, and refuse control and invisible characters, naming the field.

    A field shown as a text area may hold line breaks. Passwords stay as they were typed, and so does anything a form
    has made of a text, such as a list of lines.
    """
    for name, field in form.fields.items():
        value = form.cleaned_data.get(name)
        if not isinstance(field, forms.CharField) or isinstance(field, forms.JSONField) or not value:
            continue
        if isinstance(field.widget, forms.PasswordInput) or not isinstance(value, str):
            continue
        text = trim(value)
        if fault := visibility_fault(text, multiline=isinstance(field.widget, forms.Textarea)):
            form.add_error(name, fault)
        elif field.required and not text:
            form.add_error(name, field.error_messages["required"])
        else:
            form.cleaned_data[name] = text
