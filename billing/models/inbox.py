from django.db import models
from django.db.models.fields.json import KeyTransform

from core.clock import utc_now

from ..states import EventSource


class StripeEvent(models.Model):
    """The inbox: what Stripe told us, stored once by its event id before it is handled.

    `payload` stores only which object it is about. An event is a hint to ask Stripe, and the rest of it may name
    people.
    """

    event_id = models.CharField(max_length=255, unique=True)
    type = models.CharField(max_length=100)
    payload = models.JSONField()
    stripe_created_at = models.DateTimeField()
    received_at = models.DateTimeField(default=utc_now, editable=False)
    source = models.CharField(max_length=14, choices=EventSource.choices, default=EventSource.WEBHOOK)
    handled_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=100, blank=True)  # the result of handling it, e.g. "checkout 12 is paid"
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(default=utc_now)
    last_error = models.CharField(max_length=300, blank=True)

    class Meta:
        verbose_name = "Stripe event"
        verbose_name_plural = "Stripe inbox"
        indexes = [
            models.Index(
                fields=["next_attempt_at"], condition=models.Q(handled_at__isnull=True), name="stripe_event_due"
            ),
            models.Index(KeyTransform("id", "payload"), name="stripe_event_object"),
            models.Index(KeyTransform("payment_intent", "payload"), name="stripe_event_intent"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.event_id}"


def is_about(stripe_id: str) -> models.Q:
    """Return the condition that selects the events about the object with this id, or about the payment intent."""
    return models.Q(payload__id=stripe_id) | models.Q(payload__payment_intent=stripe_id)


class ReconciliationRun(models.Model):
    """One comparison of our books with Stripe's. The next one starts a little before the last one ended."""

    started_at = models.DateTimeField()
    window_start = models.DateTimeField()  # Stripe's events and sessions created since then were compared
    events_seen = models.PositiveIntegerField(default=0)
    events_missed = models.PositiveIntegerField(default=0)  # Stripe had them, our inbox did not
    sessions_seen = models.PositiveIntegerField(default=0)
    checkouts_settled = models.PositiveIntegerField(default=0)  # our checkouts that were out of date
    finished_at = models.DateTimeField(default=utc_now)

    class Meta:
        verbose_name = "reconciliation"

    def __str__(self) -> str:
        return f"Reconciliation of {self.started_at:%Y-%m-%d %H:%M}"
