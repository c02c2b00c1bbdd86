from django.db import models


class NotificationStatus(models.TextChoices):
    PENDING = "pending", "Pending"  # waits for its first or its next try
    SENT = "sent", "Sent"  # the mail server accepted it
    SKIPPED = "skipped", "Skipped"  # no longer true when its turn came, so it was not sent
    DEAD = "dead", "Dead"  # given up after the last try; staff have a task
