from django.contrib import admin
from django.urls import include, path, register_converter

from enrollment_project.core.ids import CuidConverter

register_converter(CuidConverter, "cuid")

urlpatterns = [
    path("api/", include("enrollment_project.api")),
    path("admin/", admin.site.urls),
    path("accounts/", include("allauth.urls")),
]
