"""Query parameters, read as strictly as bodies: anything that does not match the OpenAPI document is refused by name.

An empty or repeated parameter is refused too: ignoring it would answer a different question from the one asked.
"""

import datetime as dt
import re
from typing import Any

import django_filters
from django import forms
from django.http import QueryDict
from django.utils.dateparse import parse_datetime
from rest_framework import serializers
from rest_framework.request import Request

from ..characters import trim, visibility_fault
from ..errors import FieldError, Invalid
from ..forms import WholeNumberField
from ..numbers import parse_whole_number
from .fields import DAY, NumberField, TextField

EMPTY = "Give a value, or leave the parameter out."
REPEATED = "Give it once."
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,6})?)?(.*))?", re.ASCII)
EARLIEST = dt.datetime.min.replace(tzinfo=dt.UTC)
LATEST = dt.datetime.max.replace(tzinfo=dt.UTC)


def query_faults(query: QueryDict, names: set[str]) -> dict[str, str]:
    """Return the parameters among `names` that are empty or repeated, each with what to do."""
    given = {name: query.getlist(name) for name in names if name in query}
    faults = {name: REPEATED for name, values in given.items() if len(values) > 1}
    return faults | {name: EMPTY for name, values in given.items() if not any(value.strip() for value in values)}


def parse_moment(text: str) -> dt.datetime | None:
    """Parse an ISO 8601 date and time (or a date, meaning its midnight) into UTC; without an offset it is read as UTC.

    Moments that UTC can't express because they lie before the year 1 or after 9999 become the first or last one it can:
    nothing lies beyond either.
    """
    if not _MOMENT.fullmatch(text):
        return None
    try:
        moment = parse_datetime(text if len(text) > len("2027-01-31") else f"{text}T00:00")
    except ValueError:
        return None
    if moment is None:
        return None
    if moment.tzinfo is None:
        return moment.replace(tzinfo=dt.UTC)
    try:
        return moment.astimezone(dt.UTC)
    except OverflowError:
        return EARLIEST if moment.year == dt.MINYEAR else LATEST


# --- Filters of lists -------------------------------------------------------------------------------------------------


class MomentFormField(forms.Field):
    default_error_messages = {"invalid": "Give a date and time as in 2027-01-31T09:00:00Z."}

    def to_python(self, value: Any) -> dt.datetime | None:
        if value in self.empty_values:
            return None
        moment = parse_moment(value)
        if moment is None:
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")
        return moment


class TextFormField(forms.CharField):
    """Text with something visible, and no invisible characters."""

    def to_python(self, value: Any) -> str:
        text = trim(str(value or ""))
        if fault := visibility_fault(text):
            raise forms.ValidationError(fault, code="invalid")
        return str(super().to_python(text))


class TextFilter(django_filters.CharFilter):  # type: ignore[misc]  # it has no types
    field_class = TextFormField


class WholeNumberFilter(django_filters.NumberFilter):  # type: ignore[misc]  # it has no types
    field_class = WholeNumberField

    def get_max_validator(self) -> None:
        """Return no validator: the field has its own bounds."""
        return None


class MomentFilter(django_filters.IsoDateTimeFilter):  # type: ignore[misc]
    field_class = MomentFormField


class StrictFilterSet(django_filters.FilterSet):  # type: ignore[misc]
    """A filter set that refuses empty and repeated parameters."""

    def is_valid(self) -> bool:
        if self.is_bound and not self.form.errors:
            for name, detail in query_faults(self.data, set(self.filters)).items():
                self.form.add_error(name, detail)
        return bool(super().is_valid())


# --- Other parameters -------------------------------------------------------------------------------------------------


class ParameterMissing(Invalid):
    """A required parameter was left out."""

    status = 400
    code = "parameter_missing"
    title = "A required query parameter is missing"


class QuerySerializer(serializers.Serializer[Any]):
    """The parameters that a GET request accepts. Views get them through `read`."""

    @classmethod
    def read(cls, request: Request) -> dict[str, Any]:
        """Return the checked parameters, with defaults for those left out. Raises ParameterMissing, and ValidationError
        naming the faulty ones."""
        query = cls(data=request.query_params.dict())
        missing = [name for name, field in query.fields.items() if field.required and name not in query.initial_data]
        if missing:
            named = tuple(FieldError(name, "required", "Give this parameter.") for name in missing)
            raise ParameterMissing(f"Give the parameter {', '.join(missing)}.", errors=named)
        if faults := query_faults(request.query_params, set(query.fields)):
            raise serializers.ValidationError({name: [detail] for name, detail in faults.items()})
        query.is_valid(raise_exception=True)
        return dict(query.validated_data)


class QueryNumberField(NumberField):
    """A whole number in decimal digits."""

    def to_internal_value(self, data: Any) -> int:
        number = parse_whole_number(data) if isinstance(data, str) else None
        if number is None:
            self.fail("invalid")
        return number


class QueryTruthField(serializers.BooleanField):
    """true or false, nothing that reads like it."""

    def to_internal_value(self, data: Any) -> bool:
        if str(data).lower() not in ("true", "false"):
            self.fail("invalid", input=data)
        return str(data).lower() == "true"


class QueryDayField(serializers.DateField):
    """A day, such as 2027-01-31."""

    def to_internal_value(self, data: Any) -> dt.date:
        if not (isinstance(data, str) and DAY.fullmatch(data)):
            self.fail("invalid", format="YYYY-MM-DD")
        return super().to_internal_value(data)


class QueryTextField(TextField):
    """Text with something visible, and no invisible characters."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", 254)
        super().__init__(**kwargs)


class MomentField(serializers.DateTimeField):
    """A date and time as `parse_moment` reads it."""

    default_error_messages = {"invalid": MomentFormField.default_error_messages["invalid"]}

    def to_internal_value(self, data: Any) -> dt.datetime:
        moment = parse_moment(data) if isinstance(data, str) else None
        if moment is None:
            self.fail("invalid")
        return moment
