from django.apps import AppConfig


class EnrollmentsConfig(AppConfig):
    name = "enrollments"
    verbose_name = "Enrollments"

    def ready(self) -> None:
        from . import belongings, digest, emails, handlers  # noqa: F401, PLC0415  registers reactions once the models are loaded
        from .allocations import usage  # noqa: F401, PLC0415  registers how its mails are rendered
        from .api.programs import exports  # noqa: F401, PLC0415  registers what workers can export
