from django.db import models

from core.clock import utc_now
from core.sealing import SealedTextField

from .users import User


class SecondFactor(models.Model):
    """What shows, after the password, that it is the owner of the account who signs in: an authenticator app.

    Invariant: one per person, and it counts from the moment it is there. No code opens anything twice, because
    `last_step` only grows, and of recovery codes only those that are left are kept, as digests.
    """

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="second_factor")
    secret = SealedTextField()
    last_step = models.BigIntegerField(default=0)  # the half minute since 1970 whose code was the last to be used
    recovery_digests = models.JSONField(default=list)
    created_at = models.DateTimeField(default=utc_now, editable=False)

    def __str__(self) -> str:
        return f"Second factor of {self.user_id}"
