from django.db import models
from django.utils.crypto import get_random_string

from sandbox.knobs import clock


def new_ref() -> str:
    return f"enr_{get_random_string(20)}"


class Partner(models.Model):
    """One partner's system. It exists once it was set up, or asked by anybody: then it takes any key."""

    slug = models.CharField(max_length=50, unique=True)
    api_key = models.CharField(max_length=200, blank=True)  # empty: any key will do
    honors_keys = models.BooleanField(default=True)  # false: an Idempotency-Key means nothing to it

    def __str__(self) -> str:
        return self.slug


class LmsEnrollment(models.Model):
    """A learner in a course of a partner: active until completed or withdrawn."""

    partner = models.ForeignKey(Partner, on_delete=models.CASCADE, related_name="enrollments")
    ref = models.CharField(max_length=40, unique=True, default=new_ref)
    reference = models.CharField(max_length=255, db_index=True)  # as the caller calls it
    key = models.CharField(max_length=255, blank=True)
    course_id = models.CharField(max_length=255)
    learner = models.JSONField()
    status = models.CharField(max_length=10, default="active")
    progress = models.PositiveSmallIntegerField(default=0)
    created = models.BigIntegerField(default=clock.now)
    completed = models.BigIntegerField(null=True)

    def __str__(self) -> str:
        return self.ref
