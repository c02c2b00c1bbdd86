from django.urls import path

from .decisions import DecisionListView, DecisionView, EnrollView
from .districts import AllocationCreateView, AllocationListView, AllocationView
from .seats import (
    HolderListView,
    ReassignView,
    ReleaseView,
    RenewView,
    RosterView,
    TransferView,
    UsageView,
)
from .what_ifs import RosterWhatIfView, WhatIfView

urlpatterns = [
    path("enroll", EnrollView.as_view(), name="api-enroll"),
    path("enrollments", DecisionListView.as_view(), name="api-enrollments"),
    path("enrollments/<number:decision_id>", DecisionView.as_view(), name="api-enrollment"),
    path("decisions", DecisionListView.as_view(), name="api-decisions"),
    path("decisions/<number:decision_id>", DecisionView.as_view(), name="api-decision"),
    path("districts", AllocationListView.as_view(), name="api-districts"),
    path("districts/seats", AllocationCreateView.as_view(), name="api-district-seats-create"),
    path("districts/<number:tenant_id>/seats", AllocationView.as_view(), name="api-district-seats"),
    path("allocations/<number:allocation_id>", UsageView.as_view(), name="api-allocation"),
    path("allocations/<number:allocation_id>/seats", HolderListView.as_view(), name="api-allocation-seats"),
    path("allocations/<number:allocation_id>/renew", RenewView.as_view(), name="api-allocation-renew"),
    path("allocations/<number:allocation_id>/roster", RosterView.as_view(), name="api-allocation-roster"),
    path("what-ifs", WhatIfView.as_view(), name="api-what-ifs"),
    path("what-ifs/roster", RosterWhatIfView.as_view(), name="api-what-ifs-roster"),
    path("seats/<number:seat_id>/release", ReleaseView.as_view(), name="api-seat-release"),
    path("seats/<number:seat_id>/reassign", ReassignView.as_view(), name="api-seat-reassign"),
    path("seats/<number:seat_id>/transfer", TransferView.as_view(), name="api-seat-transfer"),
]
