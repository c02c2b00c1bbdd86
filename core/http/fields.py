"""Serializer fields that accept exactly what they say, and nothing that merely resembles it."""

import datetime as dt
import re
from typing import Any

from django.core.exceptions import ValidationError
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from ..addresses import address_fault, canonical_address
from ..characters import trim, visibility_fault
from ..documents import document_fault
from ..ids import CUID_PATTERN, is_cuid
from ..local_time import validate_date
from ..numbers import MAX_BIGINT, whole_number_wanted

DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class TextField(serializers.CharField):
    """One line of text, given as a JSON string: a number is refused rather than turned into its digits.

    Control and invisible characters are refused too; at the ends they are trimmed like spaces.
    """

    def run_validation(self, data: Any = serializers.empty) -> Any:
        return super().run_validation(trim(data) if isinstance(data, str) else data)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        if fault := visibility_fault(data):
            raise serializers.ValidationError(fault, code="invalid")
        return str(super().to_internal_value(data))


class NumberField(serializers.IntegerField):
    """A whole number between two bounds; the same sentence names them whatever is wrong."""

    def __init__(self, *, min_value: int = 0, max_value: int = MAX_BIGINT, **kwargs: Any) -> None:
        wanted = whole_number_wanted(lowest=min_value, highest=max_value)
        kwargs["error_messages"] = dict.fromkeys(("invalid", "min_value", "max_value"), wanted)
        super().__init__(min_value=min_value, max_value=max_value, **kwargs)


class WholeNumberField(NumberField):
    """A whole number, given as a JSON number: neither "5" nor 5.0 nor true."""

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid")
        return int(data)


class EmailTextField(serializers.EmailField):
    """An email address, given as a JSON string, in its canonical spelling."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", 254)
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        if fault := address_fault(data):
            raise serializers.ValidationError(fault, code="invalid")
        return canonical_address(data)


class TruthField(serializers.BooleanField):
    """true or false, nothing that reads like it."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class MultilineField(TextField):
    """Text of several lines."""

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        if fault := visibility_fault(data, multiline=True):
            raise serializers.ValidationError(fault, code="invalid")
        return str(super(TextField, self).to_internal_value(data))


@extend_schema_field({"type": "string", "pattern": "^[A-Za-z]{3}$"})
class CurrencyField(TextField):
    """A currency by its three ISO 4217 letters in either case. `billing.prices` decides whether it can be charged."""

    default_error_messages = {"shape": "Give the three letters of a currency, as in USD."}

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if not (len(text) == 3 and text.isascii() and text.isalpha()):
            self.fail("shape")
        return text


class DayField(serializers.DateField):
    """A day, such as 2027-01-31, within the years for which dates are accepted."""

    def to_internal_value(self, data: Any) -> dt.date:
        if not (isinstance(data, str) and DAY.fullmatch(data)):
            self.fail("invalid", format="YYYY-MM-DD")
        day = super().to_internal_value(data)
        try:
            validate_date(day)
        except ValidationError as fault:
            raise serializers.ValidationError(fault.message, code="out_of_range") from fault
        return day


class DocumentField(serializers.DictField):
    """A JSON object of the caller's own, as large and as deep as `core.documents` allows."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if fault := document_fault(data):
            raise serializers.ValidationError(fault, code="invalid")
        return dict(data)


@extend_schema_field({"type": "string", "pattern": f"^{CUID_PATTERN}$"})
class CuidField(TextField):
    """One of our public ids. A value that can't be one is reported as not found, like any other unknown id."""

    default_error_messages = {"not_found": "There is no such id: ids are 20 to 32 small letters and digits."}

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if not is_cuid(text):
            self.fail("not_found")
        return text
