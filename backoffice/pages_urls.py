from django.urls import path

from .pages.exports import show_export_file

urlpatterns = [path("exports/<str:token>", show_export_file, name="export-file")]
