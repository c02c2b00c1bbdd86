"""The course API's shapes: enrolling, paying, and waiting."""

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.http import url_has_allowed_host_and_scheme
from rest_framework import serializers

from core.http.fields import TextField
from core.http.query import QuerySerializer
from core.ids import CUID_PATTERN

from ...states import WaitStatus


class ReturnAddressField(TextField):
    """A URL that the payment page may send the payer to: on our own host or one of CHECKOUT_RETURN_HOSTS.

    Allowing any other host would turn our checkout into a way to send people to a stranger's site.
    """

    default_error_messages = {
        "not_allowed": "Give an http(s) address on this site or on an allowed host, or leave it out."
    }

    def to_internal_value(self, data: Any) -> str:
        address = super().to_internal_value(data)
        ours = urlsplit(settings.PUBLIC_URL)
        hosts = {ours.netloc, *settings.CHECKOUT_RETURN_HOSTS}
        # A relative URL passes Django's check, but Stripe needs to know the host.
        absolute = address.lower().startswith(("http://", "https://"))
        if not absolute or not url_has_allowed_host_and_scheme(address, hosts, require_https=ours.scheme == "https"):
            self.fail("not_allowed")
        return address


class CuidField(serializers.RegexField):
    """A CUID, given as a JSON string."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(f"^{CUID_PATTERN}$", **kwargs)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return str(super().to_internal_value(data))


class ParticipantBody(serializers.Serializer[Any]):
    learnerId = CuidField(required=False, help_text="A learner you may act for. If omitted: yourself.")
    firstName = TextField(max_length=150, required=False, help_text="Your own name, if your account has none yet.")
    lastName = TextField(max_length=150, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "learnerId" in attrs and ("firstName" in attrs or "lastName" in attrs):
            raise serializers.ValidationError({"learnerId": "Give either learnerId or your own names."})
        for given, missing in (("firstName", "lastName"), ("lastName", "firstName")):
            if given in attrs and missing not in attrs:
                raise serializers.ValidationError({missing: ["Give both names."]}, code="required")
        return attrs


class LearnerQuery(QuerySerializer):
    learnerId = CuidField(required=False, help_text="Needed if several of your learners are in line.")


class EnrollBody(ParticipantBody):
    successUrl = ReturnAddressField(
        max_length=2000,
        required=False,
        help_text="Where to go after paying; {CHECKOUT_SESSION_ID} in it is filled in.",
    )
    cancelUrl = ReturnAddressField(max_length=2000, required=False)
    voucher = TextField(
        max_length=60, required=False, help_text="A code that lowers the price, in upper or lower case."
    )


class CheckoutSerializer(serializers.Serializer[Any]):
    sessionId = serializers.CharField(help_text="Empty where nothing is left to pay.")
    url = serializers.URLField(help_text="The payment page, or the page of the course where nothing is left to pay.")
    packageId = serializers.IntegerField(required=False, help_text="The course, where nothing is left to pay.")
    listPriceInCents = serializers.IntegerField(required=False, help_text="With a discount: the price without it.")
    discountInCents = serializers.IntegerField(required=False, help_text="What is taken off the list price.")
    discount = serializers.CharField(required=False, help_text="What takes it off: a voucher, or the sibling discount.")


class BoughtSerializer(serializers.Serializer[Any]):
    packageId = serializers.IntegerField()


class ProcessingSerializer(serializers.Serializer[Any]):
    status = serializers.ChoiceField(["processing"])


class CourseLearnerSerializer(serializers.Serializer[Any]):
    learnerId = serializers.CharField(source="cuid")
    firstName = serializers.CharField(source="first_name")
    lastName = serializers.CharField(source="last_name")


class WaitlistEntrySerializer(serializers.Serializer[Any]):
    cohortId = serializers.IntegerField(source="cohort_id")
    learner = CourseLearnerSerializer()
    status = serializers.ChoiceField(choices=WaitStatus.choices)
    position = serializers.IntegerField(help_text="1 is next.")
    offerExpiresAt = serializers.DateTimeField(
        source="offer_expires_at", allow_null=True, help_text="Until then a place is held: enroll to take it."
    )
    joinedAt = serializers.DateTimeField(source="created_at")
