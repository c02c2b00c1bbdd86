"""Stripe's paths: the API under /v1/, and the hosted page under /c/pay/."""

from django.urls import path, re_path

from sandbox.stripe import catalog, checkout, disputes, event_log, pay_page, payments, payouts, refunds
from sandbox.stripe.api import endpoint, not_found

urlpatterns = [
    path("v1/checkout/sessions", endpoint(get=checkout.list_sessions, post=checkout.create_session)),
    path("v1/checkout/sessions/<str:ref>", endpoint(get=checkout.retrieve_session)),
    path("v1/checkout/sessions/<str:ref>/expire", endpoint(post=checkout.expire_session)),
    path("v1/checkout/sessions/<str:ref>/line_items", endpoint(get=checkout.list_line_items)),
    path("v1/products", endpoint(get=catalog.list_products, post=catalog.create_product)),
    path("v1/products/<str:ref>", endpoint(get=catalog.retrieve_product)),
    path("v1/prices", endpoint(get=catalog.list_prices, post=catalog.create_price)),
    path("v1/prices/<str:ref>", endpoint(get=catalog.retrieve_price, post=catalog.update_price)),
    path("v1/payment_intents", endpoint(get=payments.list_payment_intents)),
    path("v1/payment_intents/<str:ref>", endpoint(get=payments.retrieve_payment_intent)),
    path("v1/charges", endpoint(get=payments.list_charges)),
    path("v1/charges/<str:ref>", endpoint(get=payments.retrieve_charge)),
    path("v1/refunds", endpoint(get=refunds.list_refunds, post=refunds.create_refund)),
    path("v1/refunds/<str:ref>", endpoint(get=refunds.retrieve_refund)),
    path("v1/disputes", endpoint(get=disputes.list_disputes)),
    path("v1/disputes/<str:ref>", endpoint(get=disputes.retrieve_dispute)),
    path("v1/payouts", endpoint(get=payouts.list_payouts)),
    path("v1/payouts/<str:ref>", endpoint(get=payouts.retrieve_payout)),
    path("v1/balance_transactions", endpoint(get=payouts.list_balance_transactions)),
    path("v1/events", endpoint(get=event_log.list_events)),
    path("v1/events/<str:ref>", endpoint(get=event_log.retrieve_event)),
    re_path(r"^v1/", not_found),
    path("c/pay/<str:ref>", pay_page.show, name="pay-page"),
    path("c/pay/<str:ref>/pay", pay_page.pay),
    path("c/pay/<str:ref>/cancel", pay_page.cancel),
    path("c/pay/<str:ref>/settle", pay_page.settle),
]
