from django.contrib.admin.apps import AdminConfig


class BackOfficeConfig(AdminConfig):
    """Django's admin with our door to it. Named in INSTALLED_APPS, never found by itself."""

    default = False
    default_site = "accounts.backoffice.site.BackOfficeSite"
