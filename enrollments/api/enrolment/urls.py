from django.urls import path

from .enrolments import ActiveEnrolmentsView, EnrolmentDetailsView, EnrolmentListView, EnrolmentView
from .expired import ExpiredEnrolmentsView
from .health import EnrolmentHealthView
from .paid import PaidEnrolmentView

urlpatterns = [
    path("enrolment", EnrolmentListView.as_view(), name="api-enrolments"),
    path("enrolment/active", ActiveEnrolmentsView.as_view(), name="api-enrolments-active"),
    path("enrolment/paid", PaidEnrolmentView.as_view(), name="api-enrolment-paid"),
    path("enrolment/expired", ExpiredEnrolmentsView.as_view(), name="api-enrolments-expired"),
    path("enrolment/health", EnrolmentHealthView.as_view(), name="api-enrolment-health"),
    path("enrolment/<number:enrolment_id>", EnrolmentView.as_view(), name="api-enrolment"),
    path("enrolment/<number:enrolment_id>/details", EnrolmentDetailsView.as_view(), name="api-enrolment-details"),
]
