from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class BackOfficeAdminConfig(admin_apps.AdminConfig):
    """Django's admin with our own site. It is named in INSTALLED_APPS and never discovered automatically."""

    default = False
    default_site = "backoffice.site.BackOfficeSite"


class BackOfficeConfig(AppConfig):
    name = "backoffice"
    verbose_name = "Back office"

    def ready(self) -> None:
        from . import headers  # noqa: F401, PLC0415  takes the place of Unfold's
        from .auditing import recording  # noqa: F401, PLC0415  hears what staff do about their own accounts
