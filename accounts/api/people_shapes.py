"""The input and output shapes of learners and leads."""

from typing import Any

from rest_framework import serializers

from core.http.contact import PhoneField, PostalAddressField
from core.http.fields import EmailTextField, TextField
from core.http.query import StrictFilterSet, TextFilter

from ..models import Lead, Learner


def told(given: dict[str, Any]) -> dict[str, Any]:
    """Return what was sent, with empty values in place of null."""
    return {
        name: ({} if name == "address" else None if name == "external_id" else "") if value is None else value
        for name, value in given.items()
    }


class LearnerFilter(StrictFilterSet):
    """The filters for learners."""

    externalId = TextFilter(field_name="external_id")
    email = TextFilter()

    class Meta:
        model = Learner
        fields: list[str] = []


class LeadFilter(StrictFilterSet):
    """The filters for leads."""

    email = TextFilter()

    class Meta:
        model = Lead
        fields: list[str] = []


class LearnerBody(serializers.Serializer[Any]):
    externalId = TextField(
        source="external_id", max_length=150, required=False, allow_null=True, help_text="Your own id of the learner."
    )
    firstName = TextField(source="first_name", max_length=150, required=False)
    lastName = TextField(source="last_name", max_length=150, required=False)
    email = EmailTextField(required=False)
    phone = PhoneField(required=False, allow_null=True, allow_blank=True)
    address = PostalAddressField(required=False, allow_null=True)
    gradeLevel = TextField(source="grade_level", max_length=50, required=False, allow_null=True, allow_blank=True)
    school = TextField(max_length=200, required=False, allow_null=True, allow_blank=True)


class NewLearnerBody(LearnerBody):
    firstName = TextField(source="first_name", max_length=150)
    lastName = TextField(source="last_name", max_length=150)
    email = EmailTextField()


class LearnerSerializer(serializers.ModelSerializer[Learner]):
    id = serializers.CharField(source="cuid")
    externalId = serializers.CharField(source="external_id", allow_null=True)
    firstName = serializers.CharField(source="first_name")
    lastName = serializers.CharField(source="last_name")
    email = serializers.CharField()
    phone = serializers.CharField()
    address = PostalAddressField(allow_null=True)
    gradeLevel = serializers.CharField(source="grade_level")
    createdAt = serializers.DateTimeField(source="created_at")

    class Meta:
        model = Learner
        fields = (
            "id",
            "externalId",
            "firstName",
            "lastName",
            "email",
            "phone",
            "address",
            "gradeLevel",
            "school",
            "createdAt",
        )


class LeadBody(serializers.Serializer[Any]):
    firstName = TextField(source="first_name", max_length=150, required=False, allow_null=True, allow_blank=True)
    lastName = TextField(source="last_name", max_length=150, required=False, allow_null=True, allow_blank=True)
    email = EmailTextField(required=False, allow_null=True)
    phone = PhoneField(required=False, allow_null=True, allow_blank=True)
    address = PostalAddressField(required=False, allow_null=True)


class LeadSerializer(serializers.ModelSerializer[Lead]):
    id = serializers.CharField(source="cuid")
    firstName = serializers.CharField(source="first_name")
    lastName = serializers.CharField(source="last_name")
    email = serializers.CharField()
    phone = serializers.CharField()
    address = PostalAddressField(allow_null=True)
    learnerId = serializers.CharField(
        source="converted_to.cuid", default=None, allow_null=True, help_text="The learner that the lead became."
    )
    createdAt = serializers.DateTimeField(source="created_at")

    class Meta:
        model = Lead
        fields = ("id", "firstName", "lastName", "email", "phone", "address", "learnerId", "createdAt")
