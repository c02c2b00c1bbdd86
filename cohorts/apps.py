from django.apps import AppConfig


class CohortsConfig(AppConfig):
    name = "cohorts"
    verbose_name = "Courses"

    def ready(self) -> None:
        from . import activity, belongings, emails, handlers, mismatches, task_kinds  # noqa: F401, PLC0415  registers reactions once the models are there
