"""The API's paths, contributed by each app. Each works with and without a trailing slash (see core.middleware)."""

from django.urls import URLPattern, URLResolver, include, path

from .graphql import GraphQLView

urlpatterns: list[URLPattern | URLResolver] = [
    path("", include("accounts.api.urls")),
    path("", include("events.api.urls")),
    path("", include("billing.api.urls")),
    path("", include("enrollments.api.urls")),
    path("", include("cohorts.api.urls")),
    path("", include("partners.api.urls")),
    path("graphql", GraphQLView.as_view(), name="api-graphql"),
]
