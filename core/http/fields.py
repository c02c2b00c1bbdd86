"""Serializer fields that take what they say and nothing that merely resembles it."""

from typing import Any

from rest_framework import serializers

from ..addresses import address_fault, canonical_address
from ..characters import trim, visibility_fault
from ..numbers import MAX_BIGINT, whole_number_wanted


class TextField(serializers.CharField):
    """One line of text, given as a JSON string: a number is refused rather than turned into its digits.

    Control and invisible characters are refused too; at the ends they are trimmed as spaces are.
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
    """A whole number between two bounds, which one sentence names whatever is wrong."""

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
    """An email address, given as a JSON string, in the one spelling it is stored in."""

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
