from django.apps import AppConfig


class ReceiversConfig(AppConfig):
    name = "sandbox.receivers"
    label = "receivers"
