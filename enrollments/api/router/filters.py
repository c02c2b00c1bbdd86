import django_filters

from core.http.query import MomentFilter, StrictFilterSet, TextFilter, WholeNumberFilter

from ...models import EnrollmentDecision
from ...states import DecisionStatus, ProvisionSource


class DecisionFilter(StrictFilterSet):
    """How decisions can be filtered; an unknown value is rejected, not ignored."""

    tenant_id = WholeNumberFilter()
    guardian_id = TextFilter(field_name="guardian__external_id")
    status = django_filters.ChoiceFilter(choices=DecisionStatus.choices)
    provision_source = django_filters.ChoiceFilter(choices=ProvisionSource.choices)
    learner_email = TextFilter()
    created_after = MomentFilter(field_name="created_at", lookup_expr="gte")
    created_before = MomentFilter(field_name="created_at", lookup_expr="lt")

    class Meta:
        model = EnrollmentDecision
        fields: list[str] = []
