from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    name = "notifications"
    verbose_name = "Notifications"

    def ready(self) -> None:
        from . import task_kinds  # noqa: F401, PLC0415  registers what staff may be asked
