"""The shapes of the enrolment service's requests and responses, spelled as in its document."""

from typing import Any

from rest_framework import serializers

from billing.states import OfflineMeans
from core.http.fields import CurrencyField, TextField, WholeNumberField
from core.http.query import QuerySerializer, QueryTextField
from core.numbers import MAX_INT

from ...enrolments import Enrolment
from ...states import EnrollmentPaymentStatus


class NewEnrolmentBody(serializers.Serializer[Any]):
    course_id = WholeNumberField(help_text="The `courseId` of a program instance.")
    user_id = TextField(max_length=150, help_text="The learner's external id: theirs in your own system.")


class PaidBody(serializers.Serializer[Any]):
    """The document gives this route the method PATCH, but its body is complete: required fields stay required in the
    OpenAPI document, which otherwise treats every PATCH as a partial update.
    """

    @property
    def partial(self) -> bool:
        return False

    @partial.setter
    def partial(self, value: bool) -> None:
        """Ignore the flag that the schema generator sets for a partial update."""

    enrolment_id = WholeNumberField()
    method = serializers.ChoiceField(
        choices=OfflineMeans.choices,
        required=False,
        allow_null=True,
        help_text="How the money was paid; `other` if omitted.",
    )
    reference = TextField(
        max_length=200,
        required=False,
        allow_null=True,
        help_text="How your books refer to it: the number of a transfer or a receipt.",
    )
    amount_minor = WholeNumberField(
        required=False,
        max_value=MAX_INT,
        help_text="In minor units. If it is given it must be the price of the course.",
    )
    currency = CurrencyField(required=False, help_text="If it is given it must be the currency of the price.")


class UserQuery(QuerySerializer):
    user_id = QueryTextField(help_text="The learner's external id.")


class EnrolmentSerializer(serializers.Serializer[Enrolment]):
    id = serializers.IntegerField()
    user_id = serializers.CharField(
        allow_null=True, help_text="The learner's external id; null for a learner or lead without one."
    )
    course_id = serializers.IntegerField()
    status = serializers.ChoiceField(
        choices=["active", "completed", "cancelled"], help_text="active: neither completed nor ended otherwise."
    )
    payment_status = serializers.ChoiceField(choices=EnrollmentPaymentStatus.choices)
    invoice_url = serializers.URLField(
        allow_null=True, help_text="Anyone with this address can read the invoice; null while nothing was paid."
    )


class EnrolmentList(serializers.Serializer[Any]):
    enrolments = EnrolmentSerializer(many=True)


class ServiceHealth(serializers.Serializer[Any]):
    status = serializers.ChoiceField(choices=["healthy", "unhealthy"])
    service = serializers.CharField()
    database = serializers.ChoiceField(choices=["ok", "unavailable"])
