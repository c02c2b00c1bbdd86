from django.apps import AppConfig


class EventsConfig(AppConfig):
    name = "events"
    verbose_name = "Events"

    def ready(self) -> None:
        from . import task_kinds  # noqa: F401, PLC0415  registers kinds and mails once the models are there
        from .webhooks import telling  # noqa: F401, PLC0415
