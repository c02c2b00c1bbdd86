from django.urls import path

from .months import ClosedMonthListView, ClosedMonthView, LedgerLineListView
from .views import StripeWebhookView

urlpatterns = [
    path("webhooks/stripe", StripeWebhookView.as_view(), name="stripe-webhook"),
    path("closedMonths", ClosedMonthListView.as_view(), name="api-closed-months"),
    path("closedMonths/<str:month>", ClosedMonthView.as_view(), name="api-closed-month"),
    path("closedMonths/<str:month>/lines", LedgerLineListView.as_view(), name="api-ledger-lines"),
]
