from django.apps import AppConfig


class KnobsConfig(AppConfig):
    name = "sandbox.knobs"
    label = "knobs"
