from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "enrollment_project.core"
    label = "core"
    verbose_name = "Core"
