from django.apps import AppConfig


class BillingConfig(AppConfig):
    name = "billing"
    verbose_name = "Money"

    def ready(self) -> None:
        from . import emails, task_kinds  # noqa: F401, PLC0415  registers reactions once the models are there
        from .mismatches import of_money  # noqa: F401, PLC0415
