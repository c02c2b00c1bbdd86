from django.urls import path

from .webhooks import PartnerWebhookView

urlpatterns = [path("webhooks/partners/<slug:slug>", PartnerWebhookView.as_view(), name="partner-webhook")]
