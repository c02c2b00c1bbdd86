import django_filters

from ..models import EnrollmentDecision
from ..states import DecisionStatus, ProvisionSource


class DecisionFilter(django_filters.FilterSet):
    """How decisions can be narrowed; an unknown value is refused, not ignored."""

    tenant_id = django_filters.NumberFilter(min_value=0, max_value=2**63 - 1)
    guardian_id = django_filters.CharFilter(field_name="guardian__external_id")
    status = django_filters.ChoiceFilter(choices=DecisionStatus.choices)
    provision_source = django_filters.ChoiceFilter(choices=ProvisionSource.choices)
    learner_email = django_filters.CharFilter(lookup_expr="iexact")
    created_after = django_filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="gte")
    created_before = django_filters.IsoDateTimeFilter(field_name="created_at", lookup_expr="lt")

    class Meta:
        model = EnrollmentDecision
        fields: list[str] = []
