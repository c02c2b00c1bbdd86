"""The shape of an enrollment, as its document defines it."""

import datetime as dt
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.http.contact import PostalAddressField
from core.http.cursors import page_serializer

from ...models import EligibilityVerdict, Enrollment, EnrollmentTransition
from ...states import (
    EligibilityStatus,
    EnrollmentPaymentStatus,
    Facet,
    IdentificationType,
    ParticipationStatus,
    VerdictOutcome,
)


class EligibilitySerializer(serializers.Serializer[Any]):
    status = serializers.ChoiceField(choices=EligibilityStatus.choices)
    reason = serializers.CharField(allow_null=True)
    programInstanceId = serializers.CharField()


class _OrNull(serializers.CharField):
    """Text, or null where there is none."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_null=True, **kwargs)

    def to_representation(self, value: Any) -> Any:
        return value or None


class EnrollmentSerializer(serializers.ModelSerializer[Enrollment]):
    """Names and email belong to the learner, or to the lead while there is no learner."""

    id = serializers.CharField(source="cuid")
    identificationType = serializers.ChoiceField(source="identification_type", choices=IdentificationType.choices)
    leadId = serializers.SerializerMethodField()
    customerId = serializers.SerializerMethodField(help_text="The learner's CUID; null while it is about a lead.")
    enrollmentId = serializers.SerializerMethodField(help_text="The earlier enrollment that this one renews.")
    firstName = serializers.SerializerMethodField()
    lastName = serializers.SerializerMethodField()
    email = serializers.SerializerMethodField()
    phone = _OrNull()
    address = serializers.SerializerMethodField()
    manufacturerSlugs = serializers.ListField(source="manufacturer_slugs", child=serializers.CharField())
    serialNumber = _OrNull(source="serial_number")
    referenceId = _OrNull(source="reference_id")
    referenceDescription = _OrNull(source="reference_description")
    tags = serializers.ListField(child=serializers.CharField())
    meta = serializers.DictField(source="metadata")
    programInstanceId = serializers.CharField(source="instance.cuid")
    enrollmentStartDate = serializers.SerializerMethodField(
        help_text="The day it was approved, with the time of day left at zero."
    )
    exitDate = serializers.SerializerMethodField(
        help_text="The first day without the learner, while a planned exit waits for it."
    )
    participationStatus = serializers.ChoiceField(source="participation_status", choices=ParticipationStatus.choices)
    paymentStatus = serializers.ChoiceField(source="payment_status", choices=EnrollmentPaymentStatus.choices)
    eligibility = serializers.SerializerMethodField()
    createdAt = serializers.DateTimeField(source="created_at")
    updatedAt = serializers.DateTimeField(source="updated_at")

    class Meta:
        model = Enrollment
        fields = (
            "id",
            "identificationType",
            "leadId",
            "customerId",
            "enrollmentId",
            "firstName",
            "lastName",
            "email",
            "phone",
            "address",
            "manufacturerSlugs",
            "serialNumber",
            "referenceId",
            "referenceDescription",
            "tags",
            "meta",
            "programInstanceId",
            "enrollmentStartDate",
            "exitDate",
            "participationStatus",
            "paymentStatus",
            "eligibility",
            "createdAt",
            "updatedAt",
        )

    def get_leadId(self, enrollment: Enrollment) -> str | None:
        return enrollment.lead.cuid if enrollment.lead else None

    def get_customerId(self, enrollment: Enrollment) -> str | None:
        return enrollment.learner.cuid if enrollment.learner else None

    def get_enrollmentId(self, enrollment: Enrollment) -> str | None:
        return enrollment.previous.cuid if enrollment.previous else None

    def get_firstName(self, enrollment: Enrollment) -> str | None:
        return enrollment.person.first_name or None

    def get_lastName(self, enrollment: Enrollment) -> str | None:
        return enrollment.person.last_name or None

    def get_email(self, enrollment: Enrollment) -> str | None:
        return enrollment.person.email or None

    @extend_schema_field(PostalAddressField(allow_null=True))
    def get_address(self, enrollment: Enrollment) -> dict[str, str] | None:
        return enrollment.address or None

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_enrollmentStartDate(self, enrollment: Enrollment) -> str | None:
        return f"{enrollment.start_date}T00:00:00Z" if enrollment.start_date else None

    @extend_schema_field(serializers.DateField(allow_null=True))
    def get_exitDate(self, enrollment: Enrollment) -> str | None:
        day: dt.date | None = getattr(enrollment, "exit_date", None)  # no plan exists just after creation
        return day.isoformat() if day else None

    @extend_schema_field(EligibilitySerializer)
    def get_eligibility(self, enrollment: Enrollment) -> dict[str, Any]:
        return {
            "status": enrollment.eligibility_status,
            "reason": enrollment.eligibility_reason or None,
            "programInstanceId": enrollment.instance.cuid,
        }


EnrollmentPage = page_serializer(EnrollmentSerializer, "EnrollmentPage")


class TransitionSerializer(serializers.ModelSerializer[EnrollmentTransition]):
    facet = serializers.ChoiceField(choices=Facet.choices)
    fromStatus = serializers.CharField(source="from_status")
    toStatus = serializers.CharField(source="to_status")
    at = serializers.DateTimeField(source="created_at")

    class Meta:
        model = EnrollmentTransition
        fields = ("number", "facet", "fromStatus", "toStatus", "reason", "actor", "at")


class AnswerSerializer(serializers.Serializer[Any]):
    """The result of one criterion."""

    name = serializers.CharField()
    expression = serializers.CharField()
    inputs = serializers.DictField(help_text="Only the values that the expression read.")
    answer = serializers.BooleanField(allow_null=True, help_text="null if it could not be evaluated.")
    reason = serializers.CharField()


class VerdictSerializer(serializers.ModelSerializer[EligibilityVerdict]):
    criteriaVersion = serializers.IntegerField(source="criteria_version")
    outcome = serializers.ChoiceField(choices=VerdictOutcome.choices)
    answers = AnswerSerializer(many=True)
    at = serializers.DateTimeField(source="created_at")

    class Meta:
        model = EligibilityVerdict
        fields = ("outcome", "reason", "criteriaVersion", "answers", "actor", "at")


class HistorySerializer(serializers.Serializer[Any]):
    """The changes of an enrollment and the results of its criteria, oldest first."""

    transitions = TransitionSerializer(many=True)
    verdicts = VerdictSerializer(many=True)
