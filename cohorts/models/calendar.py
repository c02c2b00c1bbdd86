import secrets

from django.db import models

from accounts.models import User
from core.clock import utc_now


def new_token() -> str:
    """Return an unguessable secret: 256 random bits, safe in a URL."""
    return secrets.token_urlsafe(32)


class CalendarFeed(models.Model):
    """The secret URL under which a person's calendar application reads their sessions; a new token ends the old one.

    The token is stored in plain text, since the person must be able to look it up again. It opens nothing that is not
    in this database already.
    """

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="calendar_feed")
    token = models.CharField(max_length=64, unique=True, default=new_token, editable=False)
    created_at = models.DateTimeField(default=utc_now, editable=False)

    def __str__(self) -> str:
        return f"Calendar feed of user {self.user_id}"
