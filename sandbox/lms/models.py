from django.db import models
from django.utils.crypto import get_random_string

from sandbox.knobs import clock


def new_ref() -> str:
    return f"enr_{get_random_string(20)}"


def new_message_ref() -> str:
    return f"msg_{get_random_string(20)}"


class Partner(models.Model):
    """One partner's system. It is created by being set up, or by the first request: then it accepts any key."""

    slug = models.CharField(max_length=50, unique=True)
    api_key = models.CharField(max_length=200, blank=True)  # if empty, any key works
    honors_keys = models.BooleanField(default=True)  # if false, an Idempotency-Key has no effect
    webhook_url = models.CharField(max_length=500, blank=True)  # where it sends its messages; nowhere if empty
    webhook_secret = models.CharField(max_length=200, blank=True)
    dialect = models.CharField(max_length=10, default="plain")  # the names in its JSON: see dialects.py

    def __str__(self) -> str:
        return self.slug


class LmsEnrollment(models.Model):
    """A learner in a course of a partner: active until completed or withdrawn."""

    partner = models.ForeignKey(Partner, on_delete=models.CASCADE, related_name="enrollments")
    ref = models.CharField(max_length=40, unique=True, default=new_ref)
    reference = models.CharField(max_length=255, db_index=True)  # the caller's reference
    key = models.CharField(max_length=255, blank=True)
    course_id = models.CharField(max_length=255)
    learner = models.JSONField()
    status = models.CharField(max_length=10, default="active")
    progress = models.PositiveSmallIntegerField(default=0)
    created = models.BigIntegerField(default=clock.now)
    completed = models.BigIntegerField(null=True)

    def __str__(self) -> str:
        return self.ref


class LmsMessage(models.Model):
    """A copy of a partner's message: held, dropped, pending, delivered, or failed."""

    partner = models.ForeignKey(Partner, on_delete=models.CASCADE, related_name="messages")
    ref = models.CharField(max_length=40)  # the message's id, shared by its copies
    body = models.JSONField()
    state = models.CharField(max_length=10)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.FloatField()
    answer_status = models.PositiveSmallIntegerField(null=True)

    def __str__(self) -> str:
        return self.ref
