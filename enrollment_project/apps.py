from django.apps import AppConfig


class EnrollmentProjectConfig(AppConfig):
    """The project itself, installed as an app for its commands and for the pages that belong to no single app."""

    name = "enrollment_project"
    verbose_name = "Enrollment platform"
