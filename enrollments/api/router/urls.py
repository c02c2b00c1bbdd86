from django.urls import path

from .decisions import DecisionListView, DecisionView, EnrollView
from .districts import AllocationCreateView, AllocationListView, AllocationView

urlpatterns = [
    path("enroll", EnrollView.as_view(), name="api-enroll"),
    path("enrollments", DecisionListView.as_view(), name="api-enrollments"),
    path("enrollments/<number:decision_id>", DecisionView.as_view(), name="api-enrollment"),
    path("decisions", DecisionListView.as_view(), name="api-decisions"),
    path("decisions/<number:decision_id>", DecisionView.as_view(), name="api-decision"),
    path("districts", AllocationListView.as_view(), name="api-districts"),
    path("districts/seats", AllocationCreateView.as_view(), name="api-district-seats-create"),
    path("districts/<number:tenant_id>/seats", AllocationView.as_view(), name="api-district-seats"),
]
