import datetime as dt

from django.db import models
from rest_framework.utils.encoders import JSONEncoder


class IdempotencyRecord(models.Model):
    """The answer given to one `Idempotency-Key` of one caller.

    Invariant: at most one row per scope and key; a row without an answer is a request in flight until `locked_until`,
    after which the same request may run again.
    """

    scope = models.CharField(max_length=64)  # the caller, e.g. "key:12"
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)  # SHA-256 of method, path and body
    locked_until = models.DateTimeField()
    response_status = models.PositiveSmallIntegerField(null=True)
    response_body = models.JSONField(null=True, encoder=JSONEncoder)  # as DRF would have rendered it
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["scope", "key"], name="idempotency_one_per_key")]
        indexes = [models.Index(fields=["created_at"], name="idempotency_by_age")]

    def __str__(self) -> str:
        return f"{self.scope} {self.key}"

    def is_answered(self) -> bool:
        return self.response_status is not None

    def is_in_flight(self, now: dt.datetime) -> bool:
        return not self.is_answered() and self.locked_until > now


class SharedCounter(models.Model):
    """A number that all processes count together until `ends_at`; then it starts again at zero."""

    key = models.CharField(max_length=120, primary_key=True)
    value = models.BigIntegerField()
    ends_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["ends_at"], name="shared_counter_by_end")]

    def __str__(self) -> str:
        return f"{self.key}: {self.value}"
