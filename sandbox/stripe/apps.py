from django.apps import AppConfig


class StripeConfig(AppConfig):
    name = "sandbox.stripe"
    label = "stripe"
