from django.db import models


class RelayStatus(models.TextChoices):
    PENDING = "pending", "Pending"  # committed with the change it reports, not handed on yet
    RELAYED = "relayed", "Relayed"  # the stream (or the log) has it
    DEAD = "dead", "Dead"  # given up after too many tries; staff can replay it


class DeliveryStatus(models.TextChoices):
    PENDING = "pending", "Pending"  # due, or waiting for its next try or for an earlier event
    DELIVERED = "delivered", "Delivered"  # the receiver answered with 2xx
    FAILED = "failed", "Failed"  # given up after three days of tries; can be sent again


class DisabledReason(models.TextChoices):
    BY_HAND = "by_hand", "Switched off by hand"
    GONE = "gone", "The receiver answered 410 Gone"
    FAILING = "failing", "Nothing was accepted for a week"
