"""The request bodies for partners and steps, and the responses. They never contain keys or secrets."""

from typing import Any

from django.core.validators import validate_slug
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.http.cursors import page_serializer
from core.http.fields import EmailTextField, MultilineField, TextField, WholeNumberField
from core.numbers import MAX_SMALLINT

from ..messages import field_map_of
from ..models import EnrollmentStep, Provider
from ..pipeline import PartnerFigures
from ..sequences import MAX_STEPS
from ..states import Adapter, GroupRule, PartnerStepStatus
from ..stuck import Turn
from .field_maps import FieldMapSerializer

# A step's status in the API and on the pages: a queued step appears as pending.
SHOWN = [status for status in PartnerStepStatus.values if status != PartnerStepStatus.QUEUED]


class ProviderBody(serializers.Serializer[Any]):
    name = TextField(max_length=200, required=False)
    adapter = serializers.ChoiceField(choices=Adapter.choices, required=False)
    baseUrl = TextField(source="base_url", max_length=500, required=False, allow_blank=True)
    apiKey = TextField(
        source="api_key", max_length=2000, required=False, allow_blank=True, help_text="Kept sealed and never shown."
    )
    timeoutSeconds = WholeNumberField(source="timeout_seconds", min_value=1, max_value=60, required=False)
    expectedDays = WholeNumberField(source="expected_days", min_value=1, max_value=MAX_SMALLINT, required=False)
    acceptWithinHours = WholeNumberField(
        source="accept_within_hours",
        min_value=1,
        max_value=MAX_SMALLINT,
        required=False,
        help_text="Within how many hours it has agreed to take a learner.",
    )
    stuckAfterDays = WholeNumberField(source="stuck_after_days", min_value=1, max_value=MAX_SMALLINT, required=False)
    contactEmail = EmailTextField(source="contact_email", required=False, allow_blank=True)
    fieldMap = FieldMapSerializer(
        source="field_map",
        required=False,
        help_text=(
            "The names of our fields in the partner's JSON. It replaces the whole map; fields "
            "that are left out keep our names."
        ),
    )


class NewProviderBody(ProviderBody):
    slug = TextField(
        max_length=50,
        validators=[validate_slug],
        help_text="Letters, digits, - and _. It identifies the partner in addresses and can't be changed later.",
    )
    name = TextField(max_length=200)


class ProviderSerializer(serializers.ModelSerializer[Provider]):
    adapter = serializers.ChoiceField(choices=Adapter.choices)
    baseUrl = serializers.CharField(source="base_url")
    hasApiKey = serializers.SerializerMethodField()
    timeoutSeconds = serializers.IntegerField(source="timeout_seconds")
    expectedDays = serializers.IntegerField(source="expected_days")
    acceptWithinHours = serializers.IntegerField(source="accept_within_hours")
    stuckAfterDays = serializers.IntegerField(source="stuck_after_days")
    contactEmail = serializers.CharField(source="contact_email")
    fieldMap = serializers.SerializerMethodField()
    pausedAt = serializers.DateTimeField(source="paused_at", allow_null=True)
    createdAt = serializers.DateTimeField(source="created_at")

    class Meta:
        model = Provider
        fields = (
            "slug",
            "name",
            "adapter",
            "baseUrl",
            "hasApiKey",
            "timeoutSeconds",
            "expectedDays",
            "acceptWithinHours",
            "stuckAfterDays",
            "contactEmail",
            "fieldMap",
            "pausedAt",
            "createdAt",
        )

    def get_hasApiKey(self, provider: Provider) -> bool:
        return bool(provider.api_key)

    @extend_schema_field(FieldMapSerializer)
    def get_fieldMap(self, provider: Provider) -> dict[str, Any]:
        return field_map_of(provider).whole()


class NewProviderSerializer(ProviderSerializer):
    webhookSecret = serializers.CharField(source="webhook_secret", help_text="Returned only once.")

    class Meta(ProviderSerializer.Meta):
        fields = (*ProviderSerializer.Meta.fields, "webhookSecret")  # type: ignore[assignment]


class PartnerSecretSerializer(serializers.Serializer[Any]):
    webhookSecret = serializers.CharField(help_text="Returned only once. The previous secret stays valid for a day.")


ProviderPage = page_serializer(ProviderSerializer, "PartnerPage")


class SequenceStepBody(serializers.Serializer[Any]):
    partner = TextField(max_length=50, help_text="The partner's slug.")
    courseId = TextField(max_length=255, help_text="The course as the partner calls it.")
    group = TextField(max_length=100, default=None, allow_null=True, help_text="The name of one of `groups`.")


class SequenceGroupBody(serializers.Serializer[Any]):
    name = TextField(max_length=100)
    rule = serializers.ChoiceField(choices=GroupRule.choices, default=GroupRule.ALL_IN_ORDER)
    atLeast = WholeNumberField(
        min_value=1,
        max_value=MAX_STEPS,
        default=None,
        allow_null=True,
        help_text="How many of its steps are enough; for the rule `at_least` only.",
    )


class SequenceBody(serializers.Serializer[Any]):
    steps: serializers.ListSerializer[Any] = serializers.ListSerializer(child=SequenceStepBody(), max_length=MAX_STEPS)
    groups: serializers.ListSerializer[Any] = serializers.ListSerializer(
        child=SequenceGroupBody(), max_length=MAX_STEPS, default=list
    )


class UnderWaySerializer(serializers.Serializer[Any]):
    version = serializers.IntegerField()
    learners = serializers.IntegerField()


class SequenceSerializer(serializers.Serializer[Any]):
    version = serializers.IntegerField(allow_null=True)
    createdAt = serializers.DateTimeField(allow_null=True)
    steps = SequenceStepBody(many=True)
    groups = SequenceGroupBody(many=True)
    underWay = UnderWaySerializer(many=True, help_text="How many active learners follow each version.")


class PartnerStepSerializer(serializers.ModelSerializer[EnrollmentStep]):
    id = serializers.CharField(source="cuid")
    sequenceOrder = serializers.IntegerField(source="sequence_order")
    partner = serializers.CharField(source="provider.slug")
    courseId = serializers.CharField(source="course")
    status = serializers.SerializerMethodField()
    externalEnrollmentId = serializers.CharField(source="external_enrollment_id", allow_null=True)
    launchUrl = serializers.SerializerMethodField()
    dueAt = serializers.DateTimeField(source="due_at", allow_null=True)
    startedAt = serializers.DateTimeField(source="started_at", allow_null=True)
    completedAt = serializers.DateTimeField(source="completed_at", allow_null=True)

    class Meta:
        model = EnrollmentStep
        fields = (
            "id",
            "sequenceOrder",
            "partner",
            "courseId",
            "status",
            "externalEnrollmentId",
            "launchUrl",
            "progress",
            "dueAt",
            "startedAt",
            "completedAt",
        )

    @extend_schema_field(serializers.ChoiceField(choices=SHOWN))
    def get_status(self, step: EnrollmentStep) -> str:
        return PartnerStepStatus.PENDING if step.status == PartnerStepStatus.QUEUED else step.status

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_launchUrl(self, step: EnrollmentStep) -> str | None:
        return step.launch_url or None


class StepReasonBody(serializers.Serializer[Any]):
    reason = MultilineField(max_length=300)


class EvidenceBody(StepReasonBody):
    evidence = MultilineField(max_length=300, help_text="The evidence, such as a certificate number.")


class ReassignBody(StepReasonBody):
    partner = TextField(max_length=50, help_text="The slug of the partner that will teach the learner.")
    courseId = TextField(
        source="course_id", max_length=255, required=False, help_text="The course as that partner calls it, if another."
    )


class StuckSerializer(serializers.Serializer[Any]):
    stepId = serializers.CharField(source="step.cuid")
    enrollmentId = serializers.CharField(source="step.enrollment.cuid")
    status = serializers.SerializerMethodField()
    daysStuck = serializers.IntegerField(source="days")
    whoseTurn = serializers.ChoiceField(source="turn", choices=[turn.value for turn in Turn], allow_null=True)
    lastError = serializers.CharField(source="step.last_error")

    @extend_schema_field(serializers.ChoiceField(choices=SHOWN))
    def get_status(self, found: Any) -> str:
        return PartnerStepSerializer().get_status(found.step)


class TrendSerializer(serializers.Serializer[Any]):
    last4Weeks = serializers.IntegerField(source="lately")
    the4WeeksBefore = serializers.IntegerField(source="before")


class FiguresSerializer(serializers.Serializer[PartnerFigures]):
    partner = serializers.CharField(source="provider.slug")
    pending = serializers.IntegerField()
    inProgress = serializers.IntegerField(source="in_progress")
    completed = serializers.IntegerField()
    failed = serializers.IntegerField()
    skipped = serializers.IntegerField()
    withdrawn = serializers.IntegerField()
    completionRate = serializers.FloatField(source="completion_rate", allow_null=True)
    dropOffRate = serializers.FloatField(source="drop_off_rate", allow_null=True)
    medianDays = serializers.FloatField(source="median_days", allow_null=True)
    completedTrend = TrendSerializer(source="*")
    bottleneck = serializers.BooleanField(source="is_bottleneck")
    stuckCount = serializers.IntegerField(source="stuck_count")
    stuck = StuckSerializer(many=True, help_text="The longest first; at most 200 in one answer.")
    slaBreaches = serializers.IntegerField(
        source="sla_breaches", help_text="How many take longer than agreed, to be accepted or to finish."
    )


class PipelineSerializer(serializers.Serializer[Any]):
    partners = FiguresSerializer(many=True)
