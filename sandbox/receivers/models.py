from django.db import models

from sandbox.knobs import clock


class Mode(models.TextChoices):
    ACCEPTS = "accepts", "Accepts what is signed"
    DOWN = "down", "Is down: answers 503"
    SLOW = "slow", "Is slow: answers after 9 seconds"
    GONE = "gone", "Is gone: answers 410"


class Receiver(models.Model):
    """An integrator's program that receives events at a URL of its own. It is created by being set up."""

    slug = models.CharField(max_length=50, unique=True)
    secret = models.CharField(max_length=200, blank=True)  # the endpoint's secret, as the platform showed it once
    mode = models.CharField(max_length=7, choices=Mode.choices, default=Mode.ACCEPTS)

    def __str__(self) -> str:
        return self.slug


class Arrival(models.Model):
    """A message that arrived: its contents, whether its signature is valid, and the response."""

    receiver = models.ForeignKey(Receiver, on_delete=models.CASCADE, related_name="arrivals")
    message_id = models.CharField(max_length=200)
    type = models.CharField(max_length=200, blank=True)
    body = models.TextField()
    fault = models.CharField(max_length=200, blank=True)  # why it is not trusted; empty if it is verified
    status = models.PositiveSmallIntegerField()
    at = models.BigIntegerField(default=clock.now)

    def __str__(self) -> str:
        return self.message_id
