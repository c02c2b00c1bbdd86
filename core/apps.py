from django.apps import AppConfig
from django.db.models import Field

from .lookups import Among


class CoreConfig(AppConfig):
    name = "core"
    label = "core"
    verbose_name = "Core"

    def ready(self) -> None:
        Field.register_lookup(Among)
