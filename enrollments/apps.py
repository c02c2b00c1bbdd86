from django.apps import AppConfig


class EnrollmentsConfig(AppConfig):
    name = "enrollments"
    verbose_name = "Enrollments"

    def ready(self) -> None:
        from . import belongings, digest, emails, handlers  # noqa: F401, PLC0415  registers reactions once the models are there
        from .allocations import usage  # noqa: F401, PLC0415  how its mails are made
        from .api.programs import exports  # noqa: F401, PLC0415  what workers export
