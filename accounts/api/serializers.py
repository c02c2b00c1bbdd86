"""The input and output shapes of guardians."""

from typing import Any

from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from core.clock import utc_now
from core.http.fields import EmailTextField, TextField
from core.http.query import StrictFilterSet, TextFilter

from ..models import Guardian, GuardianInvitation, Learner

MAX_LEARNERS = 100


class GuardianFilter(StrictFilterSet):
    """The filters for guardians."""

    externalId = TextFilter(field_name="external_id")
    email = TextFilter()
    learnerId = TextFilter(
        method="of_learner", help_text="Only the guardians of one learner, by CUID or by your own id."
    )

    class Meta:
        model = Guardian
        fields: list[str] = []

    def of_learner(self, rows: QuerySet[Guardian], name: str, value: str) -> QuerySet[Guardian]:
        named = Learner.objects.filter(Q(cuid=value) | Q(external_id=value))
        return rows.filter(guardianships__learner__in=named).distinct()


class GuardianBody(serializers.Serializer[Any]):
    externalId = TextField(
        source="external_id",
        max_length=150,
        required=False,
        allow_null=True,
        help_text="Your own id, which the router calls guardian_id.",
    )
    email = EmailTextField(
        required=False,
        allow_null=True,
        help_text=(
            "Anyone who confirms this address can see the learners. Set it only if you know "
            "that it is the guardian's; otherwise, send an invitation."
        ),
    )
    firstName = TextField(source="first_name", max_length=150, required=False, allow_blank=True)
    lastName = TextField(source="last_name", max_length=150, required=False, allow_blank=True)
    learnerIds = serializers.ListField(
        source="learner_ids",
        child=TextField(max_length=150),
        required=False,
        max_length=MAX_LEARNERS,
        help_text="All learners the guardian is responsible for, each by CUID or by your own id.",
    )


class NewGuardianBody(GuardianBody):
    schema_rules = {
        "anyOf": [
            {"required": ["externalId"], "properties": {"externalId": {"type": "string"}}},
            {"required": ["email"], "properties": {"email": {"type": "string"}}},
        ]
    }


class InvitationBody(serializers.Serializer[Any]):
    email = EmailTextField()


class InvitationSerializer(serializers.ModelSerializer[GuardianInvitation]):
    state = serializers.SerializerMethodField(help_text="pending, or expired until you send it again.")
    sentAt = serializers.DateTimeField(source="sent_at")
    expiresAt = serializers.DateTimeField(source="expires_at")

    class Meta:
        model = GuardianInvitation
        fields = ("email", "state", "sentAt", "expiresAt")

    def get_state(self, invitation: GuardianInvitation) -> str:
        return invitation.state(utc_now())


class GuardianLearnerSerializer(serializers.ModelSerializer[Learner]):
    id = serializers.CharField(source="cuid")
    externalId = serializers.CharField(source="external_id", allow_null=True)

    class Meta:
        model = Learner
        fields = ("id", "externalId")


class GuardianSerializer(serializers.ModelSerializer[Guardian]):
    externalId = serializers.CharField(source="external_id", allow_null=True)
    email = serializers.CharField(allow_null=True)
    firstName = serializers.CharField(source="first_name")
    lastName = serializers.CharField(source="last_name")
    isProven = serializers.BooleanField(
        source="is_proven", help_text="Whether the guardian has signed in with a code mailed to this address."
    )
    learners = GuardianLearnerSerializer(many=True)
    invitation = serializers.SerializerMethodField(help_text="The one that is waiting for an answer.")
    createdAt = serializers.DateTimeField(source="created_at")

    class Meta:
        model = Guardian
        fields = (
            "id",
            "externalId",
            "email",
            "firstName",
            "lastName",
            "isProven",
            "learners",
            "invitation",
            "createdAt",
        )

    @extend_schema_field(InvitationSerializer(allow_null=True))
    def get_invitation(self, guardian: Any) -> dict[str, Any] | None:
        waiting = guardian.open_invitations
        return InvitationSerializer(waiting[0]).data if waiting else None
