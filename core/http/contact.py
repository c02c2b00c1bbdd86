"""Serializer fields for contact details. `core.phones` and `core.postal` say what each may hold."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from ..phones import canonical_phone, phone_fault
from ..postal import LENGTHS, canonical_postal, postal_faults
from .fields import TextField


@extend_schema_field({"type": "string", "pattern": r"^(\+[0-9 ().-]{7,30})?$", "example": "+14155550123"})
class PhoneField(TextField):
    """A phone number with its country code, in the one spelling it is stored in."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("help_text", "With the country code, as E.164 writes it.")
        super().__init__(max_length=32, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if text and (fault := phone_fault(text)):
            raise serializers.ValidationError(fault, code="invalid")
        return canonical_phone(text)


class PostalAddressField(serializers.Serializer[Any]):
    """A postal address, whose parts are all optional. Its country is a code of ISO 3166, stored with three letters."""

    streetOne = TextField(max_length=LENGTHS["streetOne"], required=False, allow_null=True, allow_blank=True)
    streetTwo = TextField(max_length=LENGTHS["streetTwo"], required=False, allow_null=True, allow_blank=True)
    city = TextField(max_length=LENGTHS["city"], required=False, allow_null=True, allow_blank=True)
    state = TextField(max_length=LENGTHS["state"], required=False, allow_null=True, allow_blank=True)
    postalCode = TextField(max_length=LENGTHS["postalCode"], required=False, allow_null=True, allow_blank=True)
    country = TextField(
        max_length=LENGTHS["country"],
        required=False,
        allow_null=True,
        allow_blank=True,
        help_text="ISO 3166: US or USA; answered as USA.",
    )

    def to_representation(self, instance: Any) -> Any:
        """Return the known parts, or null if none is known."""
        return instance or None

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if faults := postal_faults(attrs):
            raise serializers.ValidationError({part: [fault] for part, fault in faults.items()}, code="invalid")
        return dict(canonical_postal(attrs))
