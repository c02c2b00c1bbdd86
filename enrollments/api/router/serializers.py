"""The shapes of the Router's requests and responses, spelled as in its document."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.http.fields import DayField, EmailTextField, TextField, TruthField, WholeNumberField
from core.http.query import QueryNumberField, QuerySerializer, QueryTextField, QueryTruthField
from core.ids import CUID_PATTERN, is_cuid
from core.numbers import MAX_BIGINT

from ...models import DistrictSeatAllocation, EnrollmentDecision
from ...routing.result import checkout_fields
from ...seats import MAX_SEATS
from ...states import DecisionReason, DecisionStatus, ProvisionSource


class ActiveQuery(QuerySerializer):
    active_only = QueryTruthField(default=False)


class AllocationQuery(QuerySerializer):
    program_instance_id = QueryTextField(
        required=False, help_text="The CUID of a program instance, for an allocation that serves only this instance."
    )
    allocation_id = QueryNumberField(required=False, help_text="One of the district's allocations, by its id.")


@extend_schema_field(
    {
        "oneOf": [
            {"type": "string", "pattern": f"^{CUID_PATTERN}$"},
            {"type": "integer", "minimum": 0, "maximum": MAX_BIGINT},
        ]
    }
)
class InstanceReferenceField(serializers.Field[str | int, Any, str | int, Any]):
    """A program instance, by its CUID or its integer id."""

    default_error_messages = {"invalid": "Give the program instance's CUID or its integer id."}

    def to_internal_value(self, data: Any) -> str | int:
        if isinstance(data, int) and not isinstance(data, bool) and 0 <= data <= MAX_BIGINT:
            return data
        if isinstance(data, str) and is_cuid(data):
            return data
        self.fail("invalid")

    def to_representation(self, value: str | int) -> str | int:
        return value


class LearnerProfileSerializer(serializers.Serializer[Any]):
    learner_id = TextField(
        max_length=150,
        required=False,
        allow_null=True,
        help_text="The learner's CUID here, or their id in your own system. Without it, email and names identify them.",
    )
    email = EmailTextField()
    first_name = TextField(max_length=150)
    last_name = TextField(max_length=150)
    grade_level = TextField(max_length=50, required=False, allow_null=True, allow_blank=True)
    school = TextField(max_length=200, required=False, allow_null=True, allow_blank=True)
    additional_info = serializers.DictField(required=False, allow_null=True)


class EnrollmentContextSerializer(serializers.Serializer[Any]):
    schema_rules = {
        "anyOf": [
            {"required": ["tenant_id"], "properties": {"tenant_id": {"type": "integer"}}},
            {"required": ["guardian_id"], "properties": {"guardian_id": {"type": "string"}}},
        ]
    }

    tenant_id = WholeNumberField(min_value=0, required=False, allow_null=True, help_text="The district's number.")
    guardian_id = TextField(max_length=150, required=False, allow_null=True)
    source = TextField(max_length=100, required=False, allow_null=True, allow_blank=True)  # type: ignore[assignment]
    referral_code = TextField(max_length=100, required=False, allow_null=True, allow_blank=True)
    campaign_id = TextField(max_length=100, required=False, allow_null=True, allow_blank=True)
    program_instance_id = InstanceReferenceField(required=False, allow_null=True)
    additional_context = serializers.DictField(required=False, allow_null=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs.get("tenant_id") is None and attrs.get("guardian_id") is None:
            raise serializers.ValidationError("Give tenant_id, guardian_id or both.", code="required")
        return attrs


class EnrollmentRequestSerializer(serializers.Serializer[Any]):
    learner_profile = LearnerProfileSerializer()
    context = EnrollmentContextSerializer()  # type: ignore[assignment]
    voucher = TextField(
        max_length=60,
        required=False,
        allow_blank=True,
        help_text=(
            "A code that lowers what a parent pays, in upper or lower case. Ignored if a district seat is used."
        ),
    )


class RoutingResultSerializer(serializers.Serializer[Any]):
    """A district result has tenant_id and seats; a parent result has guardian_id and checkout."""

    provision_source = serializers.ChoiceField(choices=ProvisionSource.choices)
    status = serializers.ChoiceField(choices=DecisionStatus.choices)
    tenant_id = serializers.IntegerField(required=False)
    seats_reserved = serializers.IntegerField(required=False)
    seats_available = serializers.IntegerField(required=False)
    guardian_id = serializers.CharField(required=False, allow_null=True)
    checkout_session_id = serializers.CharField(required=False, allow_null=True)
    checkout_url = serializers.URLField(required=False, allow_null=True)
    discount = serializers.CharField(required=False, help_text="What lowers the price: a voucher, or a sibling.")
    list_minor = serializers.IntegerField(required=False, help_text="With a discount: the price without it.")
    discount_minor = serializers.IntegerField(required=False, help_text="What is taken off the list price.")
    currency = serializers.CharField(required=False)
    decision_id = serializers.IntegerField()
    enrollment_id = serializers.CharField()
    reason = serializers.ChoiceField(choices=DecisionReason.choices)
    message = serializers.CharField()


class DecisionSerializer(serializers.ModelSerializer[EnrollmentDecision]):
    decision_id = serializers.IntegerField(source="pk")
    enrollment_id = serializers.CharField(source="enrollment.cuid")
    guardian_id = serializers.SerializerMethodField()
    seats_reserved = serializers.SerializerMethodField()
    seats_available = serializers.SerializerMethodField()
    checkout_session_id = serializers.SerializerMethodField()
    checkout_url = serializers.SerializerMethodField()

    class Meta:
        model = EnrollmentDecision
        fields = [
            "decision_id",
            "provision_source",
            "status",
            "reason",
            "learner_profile",
            "context",
            "tenant_id",
            "seats_reserved",
            "seats_available",
            "guardian_id",
            "checkout_session_id",
            "checkout_url",
            "enrollment_id",
            "message",
            "trace",
            "created_at",
            "updated_at",
        ]

    def get_guardian_id(self, decision: EnrollmentDecision) -> str | None:
        return decision.guardian.external_id if decision.guardian else None

    def get_seats_reserved(self, decision: EnrollmentDecision) -> int:
        return 1 if decision.seat_id and decision.status == DecisionStatus.COMPLETED else 0

    def get_seats_available(self, decision: EnrollmentDecision) -> int | None:
        return decision.seat.allocation.available_seats if decision.seat else None

    def get_checkout_session_id(self, decision: EnrollmentDecision) -> str | None:
        return checkout_fields(decision)["checkout_session_id"]

    @extend_schema_field(serializers.URLField(allow_null=True))
    def get_checkout_url(self, decision: EnrollmentDecision) -> str | None:
        return checkout_fields(decision)["checkout_url"]


class AllocationSerializer(serializers.ModelSerializer[DistrictSeatAllocation]):
    tenant_id = serializers.IntegerField(source="district.tenant_id")
    name = serializers.CharField(source="district.name")
    program_instance_id = serializers.CharField(source="instance.cuid", default=None, allow_null=True)
    available_seats = serializers.IntegerField()

    class Meta:
        model = DistrictSeatAllocation
        fields = [
            "id",
            "tenant_id",
            "name",
            "program_instance_id",
            "total_seats",
            "reserved_seats",
            "used_seats",
            "available_seats",
            "term",
            "valid_from",
            "valid_until",
            "is_active",
            "created_at",
            "updated_at",
        ]


class AllocationCreateSerializer(serializers.Serializer[Any]):
    tenant_id = WholeNumberField(min_value=0)
    total_seats = WholeNumberField(min_value=0, max_value=MAX_SEATS)
    program_instance_id = InstanceReferenceField(required=False, allow_null=True)
    name = TextField(max_length=200, required=False, help_text="The district's name, when it is new.")
    valid_from = DayField(required=False, allow_null=True, help_text="The first day on which seats may be taken.")
    valid_until = DayField(required=False, allow_null=True, help_text="The last day on which seats may be taken.")
    term = TextField(
        max_length=80,
        required=False,
        allow_blank=True,
        help_text=("What tells it from the district's other allocations for the same programs. If omitted: its dates."),
    )


class AllocationUpdateSerializer(serializers.Serializer[Any]):
    schema_rules = {"anyOf": [{"required": ["total_seats"]}, {"required": ["is_active"]}]}

    total_seats = WholeNumberField(min_value=0, max_value=MAX_SEATS, required=False)
    is_active = TruthField(required=False)
    reason = TextField(max_length=300, required=False, allow_blank=True, help_text="Why, for the staff's history.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs.keys() - {"reason"}:
            raise serializers.ValidationError("Give total_seats, is_active or both.", code="required")
        return attrs
