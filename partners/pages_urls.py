from django.urls import path

from .pages import certificates

urlpatterns = [
    path("certificates/<str:serial>.pdf", certificates.download_certificate, name="certificate-pdf"),
    path("certificates/<str:serial>", certificates.show_certificate, name="certificate"),
]
