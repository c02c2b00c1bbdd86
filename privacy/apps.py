from django.apps import AppConfig


class PrivacyConfig(AppConfig):
    name = "privacy"
    verbose_name = "Privacy"

    def ready(self) -> None:
        from . import emails, task_kinds  # noqa: F401, PLC0415  registers them once the models are there
