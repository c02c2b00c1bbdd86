from django.urls import path

from .pages import certificates, nudges, progress

urlpatterns = [
    path("student/progress", progress.show_my_progress, name="my-progress"),
    path("nudges/<str:token>", nudges.show_nudges, name="nudge"),
    path("certificates/<str:serial>.pdf", certificates.download_certificate, name="certificate-pdf"),
    path("certificates/<str:serial>", certificates.show_certificate, name="certificate"),
]
