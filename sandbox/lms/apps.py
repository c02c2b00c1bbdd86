from django.apps import AppConfig


class LmsConfig(AppConfig):
    name = "sandbox.lms"
    label = "lms"
