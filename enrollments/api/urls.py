"""One package for each document that describes a part of the API."""

from django.urls import include, path

urlpatterns = [
    path("", include("enrollments.api.router.urls")),
    path("", include("enrollments.api.programs.urls")),
    path("", include("enrollments.api.enrolment.urls")),
]
