"""The request bodies for programs, their instances, and enrollments."""

from dataclasses import asdict
from decimal import Decimal
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from billing.refund_policy import RefundTier
from core.clock import utc_now
from core.http.contact import PhoneField, PostalAddressField
from core.http.cursors import page_serializer
from core.http.fields import (
    CuidField,
    CurrencyField,
    DayField,
    DocumentField,
    EmailTextField,
    MultilineField,
    TextField,
    TruthField,
    WholeNumberField,
)
from core.numbers import MAX_INT

from ...details import MAX_SLUG_LENGTH, MAX_SLUGS, MAX_TAG_LENGTH, MAX_TAGS
from ...eligibility.criteria import MAX_CRITERIA, CriterionDraft, as_draft, list_criteria
from ...identification import ByEarlierEnrollment, ByInfo, ByLead, ByLearner, Identification, identity_faults
from ...models import Program, ProgramInstance
from ...refund_rules import MAX_TIERS, find_policy
from ...states import EligibilityStatus, IdentificationType, ReviewMode

# --- Programs ---------------------------------------------------------------------------------------------------------


class ProgramBody(serializers.Serializer[Any]):
    title = TextField(max_length=200, required=False)
    description = MultilineField(max_length=10_000, required=False, allow_blank=True)
    active = TruthField(required=False, help_text="Whether its instances take enrollments.")


class NewProgramBody(ProgramBody):
    code = TextField(max_length=50, help_text="Letters, digits, and . _ - only. It can't be changed later.")
    title = TextField(max_length=200)


class ProgramSerializer(serializers.ModelSerializer[Program]):
    createdAt = serializers.DateTimeField(source="created_at")

    class Meta:
        model = Program
        fields = ("code", "title", "description", "active", "createdAt")


ProgramPage = page_serializer(ProgramSerializer, "ProgramPage")


# --- Instances --------------------------------------------------------------------------------------------------------


@extend_schema_field({"type": "number", "minimum": 0, "maximum": 100})
class TaxRateField(serializers.DecimalField):
    """A rate in percent, given as a JSON number."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_digits=5, decimal_places=2, min_value=Decimal(0), max_value=Decimal(100), **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, bool) or not isinstance(data, int | float):
            self.fail("invalid")
        return super().to_internal_value(data)

    def to_representation(self, value: Any) -> Any:
        return float(value)


class CriterionSerializer(serializers.Serializer[Any]):
    """One condition for eligibility. `eligibility.criteria` reports what is wrong with it, by line and column."""

    name = MultilineField(default="", allow_blank=True)
    expression = MultilineField(default="", allow_blank=True, help_text="In the Common Expression Language.")
    otherwise = MultilineField(
        default="", allow_blank=True, help_text="Why somebody is not eligible if it does not hold."
    )
    because = MultilineField(default="", allow_blank=True, help_text="Why somebody is eligible if it holds.")

    def to_internal_value(self, data: Any) -> CriterionDraft:
        return CriterionDraft(**super().to_internal_value(data))


class RefundTierSerializer(serializers.Serializer[Any]):
    """How long it applies, by `daysBeforeStart` (negative: after the start) or `untilDate`, and which part is kept."""

    daysBeforeStart = WholeNumberField(
        source="days_before_start", min_value=-3650, max_value=3650, required=False, allow_null=True
    )
    untilDate = DayField(source="until_date", required=False, allow_null=True)
    keptPercent = WholeNumberField(source="kept_percent", max_value=100, default=0)
    keptFeeMinor = WholeNumberField(
        source="kept_fee_minor", max_value=MAX_INT, default=0, help_text="In the smallest unit of the price's currency."
    )

    def to_internal_value(self, data: Any) -> RefundTier:
        return RefundTier(**super().to_internal_value(data))


class InstanceBody(serializers.Serializer[Any]):
    name = TextField(max_length=200, required=False)
    externalId = TextField(
        source="external_id",
        max_length=150,
        required=False,
        allow_null=True,
        help_text="The sourcedId or code of the class that rosters know it by; unique in the workspace.",
    )
    startDate = DayField(source="start_date", required=False, allow_null=True)
    endDate = DayField(source="end_date", required=False, allow_null=True)
    reviewMode = serializers.ChoiceField(source="review_mode", choices=ReviewMode.choices, required=False)
    priceMinor = WholeNumberField(
        source="price_minor",
        max_value=MAX_INT,
        required=False,
        allow_null=True,
        help_text="In the currency's smallest unit: 4900 is 49.00 USD. null or 0: nothing has to be paid.",
    )
    currency = CurrencyField(required=False, allow_null=True)
    taxRate = TaxRateField(source="tax_rate", required=False, allow_null=True, help_text="In percent; in the price.")
    capacity = WholeNumberField(
        max_value=MAX_INT,
        required=False,
        allow_null=True,
        help_text="How many enrollments may be submitted or approved at a time; null: no limit.",
    )
    isDefault = TruthField(source="is_default", required=False, help_text="Where the router enrolls if asked for none.")
    active = TruthField(required=False, help_text="Whether it takes enrollments.")
    criteria = serializers.ListField(
        child=CriterionSerializer(),
        max_length=MAX_CRITERIA,
        required=False,
        help_text="All criteria, in order. A different set increases criteriaVersion.",
    )
    refundTiers = serializers.ListField(
        source="refund_tiers",
        child=RefundTierSerializer(),
        max_length=MAX_TIERS,
        required=False,
        help_text=(
            "What families who leave get back, for purchases from now on; each tier starts the "
            "day after the previous one ends, and after the last one nothing comes back. "
            "Empty: the program's rules, or else staff decide."
        ),
    )


class NewInstanceBody(InstanceBody):
    programCode = TextField(max_length=50)
    name = TextField(max_length=200)


class InstanceSerializer(serializers.ModelSerializer[ProgramInstance]):
    id = serializers.CharField(source="cuid")
    courseId = serializers.IntegerField(source="pk", help_text="The number that the enrolment service knows it by.")
    programCode = serializers.CharField(source="program.code")
    externalId = serializers.CharField(source="external_id", allow_null=True)
    startDate = serializers.DateField(source="start_date", allow_null=True)
    endDate = serializers.DateField(source="end_date", allow_null=True)
    reviewMode = serializers.ChoiceField(source="review_mode", choices=ReviewMode.choices)
    priceMinor = serializers.IntegerField(source="price.amount_minor", default=None, allow_null=True)
    currency = serializers.CharField(source="price.currency", default=None, allow_null=True)
    taxRate = serializers.FloatField(source="price.tax_rate", default=None, allow_null=True)
    isDefault = serializers.BooleanField(source="is_default")
    criteriaVersion = serializers.IntegerField(source="criteria_version")
    createdAt = serializers.DateTimeField(source="created_at")

    class Meta:
        model = ProgramInstance
        fields = (
            "id",
            "courseId",
            "programCode",
            "name",
            "externalId",
            "startDate",
            "endDate",
            "reviewMode",
            "priceMinor",
            "currency",
            "taxRate",
            "capacity",
            "isDefault",
            "active",
            "criteriaVersion",
            "createdAt",
        )


class InstanceWithCriteria(InstanceSerializer):
    """One instance, with the criteria and the refund rules that apply."""

    criteria = serializers.SerializerMethodField()
    refundTiers = serializers.SerializerMethodField(
        help_text="Its own or its program's. Empty: staff decide what comes back."
    )

    class Meta(InstanceSerializer.Meta):
        fields = (*InstanceSerializer.Meta.fields, "criteria", "refundTiers")  # type: ignore[assignment]  # two more

    @extend_schema_field(CriterionSerializer(many=True))
    def get_criteria(self, instance: ProgramInstance) -> list[dict[str, str]]:
        return [asdict(as_draft(criterion)) for criterion in list_criteria(instance.pk, instance.criteria_version)]

    @extend_schema_field(RefundTierSerializer(many=True))
    def get_refundTiers(self, instance: ProgramInstance) -> Any:
        policy = find_policy(instance, at=utc_now())
        return RefundTierSerializer(policy.rules if policy else [], many=True).data


InstancePage = page_serializer(InstanceSerializer, "ProgramInstancePage")


# --- Enrollments ------------------------------------------------------------------------------------------------------


class DetailsBody(serializers.Serializer[Any]):
    """What may be stored about the person who is enrolled. null removes a value."""

    phone = PhoneField(required=False, allow_null=True, allow_blank=True)
    address = PostalAddressField(required=False, allow_null=True)
    manufacturerSlugs = serializers.ListField(
        source="manufacturer_slugs",
        child=TextField(max_length=MAX_SLUG_LENGTH),
        max_length=MAX_SLUGS,
        required=False,
        allow_null=True,
        help_text="Small letters and digits, joined by - or _.",
    )
    serialNumber = TextField(source="serial_number", max_length=200, required=False, allow_null=True, allow_blank=True)
    referenceId = TextField(source="reference_id", max_length=200, required=False, allow_null=True, allow_blank=True)
    referenceDescription = TextField(
        source="reference_description", max_length=500, required=False, allow_null=True, allow_blank=True
    )
    tags = serializers.ListField(
        child=TextField(max_length=MAX_TAG_LENGTH), max_length=MAX_TAGS, required=False, allow_null=True
    )
    metadata = DocumentField(
        required=False,
        allow_null=True,
        help_text="Any data you want to keep with it: at most 16 kB and 5 levels of JSON; returned as meta.",
    )

    def details(self) -> dict[str, Any]:
        """Return the details that were given, each with a value."""
        empty: dict[str, Any] = {"address": {}, "manufacturer_slugs": [], "tags": [], "metadata": {}}
        names = {field.source for field in DetailsBody().fields.values()}
        given = {name: value for name, value in self.validated_data.items() if name in names}
        return {name: empty.get(name, "") if value is None else value for name, value in given.items()}


class NewEnrollmentBody(DetailsBody):
    """One way to identify the person, and exactly the fields that it needs."""

    identificationType = serializers.ChoiceField(choices=IdentificationType.choices)
    leadId = CuidField(required=False, allow_null=True)
    customerId = CuidField(required=False, allow_null=True, help_text="The learner's CUID.")
    enrollmentId = CuidField(required=False, allow_null=True, help_text="The enrollment to renew.")
    firstName = TextField(max_length=150, required=False, allow_null=True)
    lastName = TextField(max_length=150, required=False, allow_null=True)
    email = EmailTextField(required=False, allow_null=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        kind = IdentificationType(attrs["identificationType"])
        faults = {
            fault.field: [serializers.ErrorDetail(fault.detail, fault.code)] for fault in identity_faults(kind, attrs)
        }
        if faults:
            raise serializers.ValidationError(faults)
        return attrs

    def identification(self) -> Identification:
        """Return how the body identifies the person."""
        given = self.validated_data
        kind = given["identificationType"]
        names = {
            field: given.get(spelled) or ""
            for field, spelled in (("first_name", "firstName"), ("last_name", "lastName"), ("email", "email"))
        }
        if kind == IdentificationType.LEAD_ID:
            return ByLead(lead_id=given["leadId"], **names)
        if kind == IdentificationType.CUSTOMER_ID:
            return ByLearner(given["customerId"])
        if kind == IdentificationType.ENROLLMENT_ID:
            return ByEarlierEnrollment(given["enrollmentId"])
        return ByInfo(**names)


class ActionBody(serializers.Serializer[Any]):
    """What goes along with a status change."""

    reason = TextField(max_length=300, required=False, allow_null=True, allow_blank=True)
    metadata = DocumentField(required=False, allow_null=True, help_text="Merged into the stored metadata.")
    expectedStatus = serializers.ChoiceField(
        choices=EligibilityStatus.choices,
        required=False,
        allow_null=True,
        help_text="Refuse with 409 status_moved if the enrollment no longer has this status.",
    )


class ReasonBody(ActionBody):
    reason = TextField(max_length=300, help_text="The learner or family reads it.")


class ExitBody(ReasonBody):
    effectiveDate = DayField(
        required=False, allow_null=True, help_text="The workspace's day on which it ends: today or later."
    )
