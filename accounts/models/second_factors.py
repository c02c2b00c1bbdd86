from typing import ClassVar

from django.db import models

from core.clock import utc_now
from core.sealing import SealedTextField

from .users import User


class SecondFactor(models.Model):
    """What shows, after the password, that the account's owner is signing in: an authenticator app, passkeys, or both.

    Invariant: one per person, and it counts as soon as it exists. No code works twice: `last_step` only grows, and only
    unused recovery codes are kept, as digests.
    """

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="second_factor")
    secret = SealedTextField(blank=True, default="")  # shared with the app; empty for people without an app
    last_step = models.BigIntegerField(default=0)  # the half minute since 1970 of the last code that was used
    recovery_digests = models.JSONField(default=list)
    created_at = models.DateTimeField(default=utc_now, editable=False)

    def __str__(self) -> str:
        return f"Second factor of {self.user_id}"


class Passkey(models.Model):
    """The public half of a key held by somebody's phone, computer, or security key.

    Invariant: it belongs to one person, and its counter only grows.
    """

    LONGEST_ID: ClassVar = 1023  # bytes, by the standard

    factor = models.ForeignKey(SecondFactor, on_delete=models.CASCADE, related_name="passkeys")
    name = models.CharField(max_length=60)
    credential_id = models.CharField(max_length=1364, unique=True)  # in base64, like the next one
    public_data = models.TextField()
    sign_count = models.BigIntegerField(default=0)
    created_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return str(self.name)
