from django.apps import AppConfig


class PartnersConfig(AppConfig):
    name = "partners"
    verbose_name = "Partners"

    def ready(self) -> None:
        from . import activity, emails, handlers, task_kinds  # noqa: F401, PLC0415  registers reactions once the models are there
        from .nudges import letters  # noqa: F401, PLC0415
