"""The tenant. Every other row belongs to exactly one workspace."""

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models

from core.clock import utc_now
from core.local_time import validate_timezone


def default_timezone() -> str:
    """Return the zone of a new workspace that names none."""
    return str(settings.DEFAULT_WORKSPACE_TIMEZONE)


def default_language() -> str:
    """Return the language of a new workspace that names none."""
    return str(settings.DEFAULT_WORKSPACE_LANGUAGE)


class Workspace(models.Model):
    """An organization running enrollment: the tenant."""

    slug = models.SlugField(max_length=50, unique=True, validators=[RegexValidator(r"^[a-z0-9][a-z0-9-]*$")])
    name = models.CharField(max_length=200)
    timezone = models.CharField(
        "time zone",
        max_length=64,
        default=default_timezone,
        db_default="UTC",
        validators=[validate_timezone],
        help_text="Where its days begin and end: used for invoices and for dates without their own time zone.",
    )
    language = models.CharField(
        max_length=5,
        choices=settings.LANGUAGES,
        default=default_language,
        db_default="en",
        help_text="The language of mails to families who have not chosen one.",
    )
    second_factor_from = models.DateTimeField(
        "second factor from",
        null=True,
        blank=True,
        help_text=(
            "From this day on, members can't see this workspace until they set up a second "
            "factor. Empty: it is optional."
        ),
    )
    created_at = models.DateTimeField(default=utc_now, editable=False)

    def __str__(self) -> str:
        return self.name
