from django.contrib import admin
from django.urls import include, path, register_converter
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView

from accounts import name_pages
from backoffice.list_settings import show_list_settings
from core.ids import CuidConverter
from core.numbers import WholeNumberConverter
from enrollment_project import health, metrics, pages, status
from enrollment_project.dashboard.front_page import show_figure_file
from enrollment_project.dashboard.money_days import show_money_days
from enrollment_project.family import data_pages
from enrollment_project.family import pages as family_pages

register_converter(CuidConverter, "cuid")
register_converter(WholeNumberConverter, "number")

docs = SpectacularSwaggerSplitView.as_view(url_name="api-schema", template_name="api/docs.html")

urlpatterns = [
    path("health", health.show_health, name="health"),
    path("healthz", health.show_liveness, name="liveness"),
    path("readyz", health.show_readiness, name="readiness"),
    path("metrics", metrics.show_metrics, name="metrics"),
    path("api/schema", SpectacularAPIView.as_view(), name="api-schema"),
    path("api/docs", docs, name="api-docs"),
    path("api/", include("enrollment_project.api")),
    path("admin/figures/<slug:name>.csv", admin.site.admin_view(show_figure_file), name="figure-file"),
    path("admin/money/days/", admin.site.admin_view(show_money_days), name="money-days"),
    path("admin/status/", admin.site.admin_view(status.show_status), name="status"),
    path("admin/lists/<str:label>/", admin.site.admin_view(show_list_settings), name="list-settings"),
    path("admin/", admin.site.urls),
    path("accounts/", include("accounts.pages_urls")),
    path("", include("backoffice.pages_urls")),
    path("", include("billing.pages_urls")),
    path("my", family_pages.lead_home, name="my"),
    path("my/learners/<cuid:cuid>/name", name_pages.change_name, name="learner-name"),
    path("my/data", data_pages.show_data, name="my-data"),
    path("my/data/sign-out", data_pages.sign_out_everywhere, name="my-sign-out"),
    path("my/data/browsers/sign-out", data_pages.sign_out_elsewhere, name="my-browsers-sign-out"),
    path("my/data/browsers/<number:sign_in_id>/sign-out", data_pages.sign_out_there, name="my-browser-sign-out"),
    path("my/data/<cuid:cuid>/download", data_pages.download_data, name="my-data-download"),
    path("my/data/<cuid:cuid>/consents/<number:consent_id>", data_pages.withdraw, name="my-consent"),
    path("my/data/<cuid:cuid>/deletion", data_pages.delete_data, name="my-data-delete"),
    path("my/enrollments", family_pages.show_home, name="my-enrollments"),
    path("my/enrollments/<cuid:cuid>", family_pages.show_enrollment, name="my-enrollment"),
    path("", include("enrollments.pages_urls")),
    path("", include("cohorts.pages_urls")),
    path("", include("partners.pages_urls")),
    path("", pages.show_home, name="home"),
    path("problems", pages.show_problem_types, name="problem-types"),
    path("problems/<str:code>", pages.show_problem_type, name="problem-type"),
    path("dev/graphql", pages.show_graphiql, name="dev-graphiql"),
    path("dev/mailbox", pages.show_mailbox, name="dev-mailbox"),
]

handler400 = "enrollment_project.pages.bad_request"
handler403 = "enrollment_project.pages.forbidden"
handler404 = "enrollment_project.pages.not_found"
handler500 = "enrollment_project.pages.server_error"
