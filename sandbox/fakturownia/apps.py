from django.apps import AppConfig


class FakturowniaConfig(AppConfig):
    name = "sandbox.fakturownia"
    label = "fakturownia"
