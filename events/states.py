from django.db import models


class RelayStatus(models.TextChoices):
    PENDING = "pending", "Pending"  # committed with the change it reports, not handed on yet
    RELAYED = "relayed", "Relayed"  # the stream (or the log) has it
    DEAD = "dead", "Dead"  # given up after too many tries; replayable by staff
