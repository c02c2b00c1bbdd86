from django.urls import path

from .feed import EventFeedView
from .webhooks import (
    DeliveryView,
    EndpointDeliveriesView,
    EndpointListView,
    EndpointPingView,
    EndpointSecretView,
    EndpointView,
    RedeliverFailedView,
    RedeliverView,
    ReplayView,
)

ENDPOINT = "webhookEndpoints/<cuid:endpoint_id>"
DELIVERY = "webhookDeliveries/<cuid:delivery_id>"

urlpatterns = [
    path("events", EventFeedView.as_view(), name="api-events"),
    path("webhookEndpoints", EndpointListView.as_view(), name="api-webhook-endpoints"),
    path(ENDPOINT, EndpointView.as_view(), name="api-webhook-endpoint"),
    path(f"{ENDPOINT}/rotate", EndpointSecretView.as_view(), name="api-webhook-secret"),
    path(f"{ENDPOINT}/ping", EndpointPingView.as_view(), name="api-webhook-ping"),
    path(f"{ENDPOINT}/deliveries", EndpointDeliveriesView.as_view(), name="api-webhook-deliveries"),
    path(f"{ENDPOINT}/redeliverFailed", RedeliverFailedView.as_view(), name="api-webhook-redeliver-failed"),
    path(f"{ENDPOINT}/replay", ReplayView.as_view(), name="api-webhook-replay"),
    path(DELIVERY, DeliveryView.as_view(), name="api-webhook-delivery"),
    path(f"{DELIVERY}/redeliver", RedeliverView.as_view(), name="api-webhook-redeliver"),
]
