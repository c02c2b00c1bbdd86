from django.db import models

from sandbox.knobs import clock


class Mode(models.TextChoices):
    ACCEPTS = "accepts", "Accepts what is signed"
    DOWN = "down", "Is down: answers 503"
    SLOW = "slow", "Is slow: answers after 9 seconds"
    GONE = "gone", "Is gone: answers 410"


class Receiver(models.Model):
    """One integrator's program that is told of events, by its own address. It exists once it was set up."""

    slug = models.CharField(max_length=50, unique=True)
    secret = models.CharField(max_length=200, blank=True)  # of the endpoint, as the platform showed it once
    mode = models.CharField(max_length=7, choices=Mode.choices, default=Mode.ACCEPTS)

    def __str__(self) -> str:
        return self.slug


class Arrival(models.Model):
    """A message that arrived: what it says, whether its signature holds, and what was answered."""

    receiver = models.ForeignKey(Receiver, on_delete=models.CASCADE, related_name="arrivals")
    message_id = models.CharField(max_length=200)
    type = models.CharField(max_length=200, blank=True)
    body = models.TextField()
    fault = models.CharField(max_length=200, blank=True)  # why it is not to be believed; empty: it is verified
    status = models.PositiveSmallIntegerField()
    at = models.BigIntegerField(default=clock.now)

    def __str__(self) -> str:
        return self.message_id
