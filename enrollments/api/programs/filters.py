"""How lists of enrollments can be filtered: filters are combined with AND."""

from rest_framework import serializers

from core.http.fields import EmailTextField
from core.http.query import MomentField, QuerySerializer, QueryTextField

from ...states import EligibilityStatus


class EnrollmentQuery(QuerySerializer):
    """Parsed into the keywords of `listing.Filters`."""

    status = serializers.ChoiceField(choices=EligibilityStatus.choices, required=False)
    tag = QueryTextField(required=False, max_length=50)
    manufacturerSlug = QueryTextField(source="manufacturer_slug", required=False, max_length=100)
    referenceId = QueryTextField(source="reference_id", required=False, max_length=200)
    email = EmailTextField(required=False)
    createdFrom = MomentField(source="created_from", required=False)
    createdUntil = MomentField(source="created_until", required=False, help_text="Before this moment.")
    search = QueryTextField(
        required=False, max_length=100, help_text="The beginning of a last name or of an email address."
    )
