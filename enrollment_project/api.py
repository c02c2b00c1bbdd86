"""The API's paths, each app bringing its own. Each answers with and without a trailing slash (see core.middleware)."""

from django.urls import URLPattern, URLResolver, include, path

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("accounts.api.urls")),
    path("", include("events.api.urls")),
    path("", include("billing.api.urls")),
    path("", include("enrollments.api.urls")),
    path("", include("cohorts.api.urls")),
    path("", include("partners.api.urls")),
]
