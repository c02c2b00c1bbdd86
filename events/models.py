from django.db import models

from accounts.models import Workspace
from core.clock import utc_now
from core.ids import new_cuid
from core.sealing import SealedTextField

from .states import DeliveryStatus, DisabledReason, RelayStatus


class OutboxEvent(models.Model):
    """A fact, written in the transaction that made it true and relayed afterwards, at least once.

    Invariant: `sequence` counts 1, 2, 3 … within one aggregate, in the order of the facts. Consumers order by it and
    drop duplicates by `cuid`.
    """

    cuid = models.CharField(max_length=32, unique=True, default=new_cuid, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="events")
    type = models.CharField(max_length=64)
    aggregate = models.CharField(max_length=64)  # e.g. "enrollment:cllgn0u4r000008l7eazybfbo"
    sequence = models.PositiveIntegerField()
    payload = models.JSONField()
    occurred_at = models.DateTimeField(default=utc_now)
    relay_status = models.CharField(max_length=8, choices=RelayStatus.choices, default=RelayStatus.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0, db_column="relay_attempts")
    next_attempt_at = models.DateTimeField(default=utc_now)  # also the lease of the relay that claimed it
    relayed_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=300, blank=True)
    position = models.PositiveBigIntegerField(null=True)  # in the workspace's feed, once somebody has read it

    class Meta:
        verbose_name = "event"
        constraints = [
            models.UniqueConstraint(fields=["aggregate", "sequence"], name="outbox_sequence_unique"),
            models.UniqueConstraint(
                fields=["workspace", "position"],
                condition=models.Q(position__isnull=False),
                name="outbox_position_unique",
            ),
            models.CheckConstraint(condition=models.Q(relay_status__in=RelayStatus.values), name="outbox_status_known"),
        ]
        indexes = [
            models.Index(
                fields=["next_attempt_at", "id"],
                condition=models.Q(relay_status=RelayStatus.PENDING),
                name="outbox_due",
            ),
            models.Index(fields=["workspace", "id"], name="outbox_by_workspace"),
            models.Index(
                fields=["workspace"], condition=models.Q(relay_status=RelayStatus.DEAD), name="outbox_given_up"
            ),
            models.Index(
                fields=["workspace", "id"], condition=models.Q(position__isnull=True), name="outbox_without_position"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.aggregate}#{self.sequence}"


class EventFeed(models.Model):
    """How far a workspace's events are numbered.

    Invariant: positions are assigned without gaps up to `last_position`, under the lock on this row. Old events are
    deleted: the last of them had the position `forgotten_position`.
    """

    workspace = models.OneToOneField(Workspace, on_delete=models.PROTECT, related_name="event_feed")
    last_position = models.PositiveBigIntegerField(default=0)
    forgotten_position = models.PositiveBigIntegerField(default=0, db_default=0)

    def __str__(self) -> str:
        return f"Feed of workspace {self.workspace_id}, numbered up to {self.last_position}"


class WebhookEndpointQuerySet(models.QuerySet["WebhookEndpoint"]):
    def kept(self) -> "WebhookEndpointQuerySet":
        """Select the endpoints that nobody has deleted."""
        return self.filter(deleted_at=None)

    def listening(self) -> "WebhookEndpointQuerySet":
        """Select the endpoints that receive events."""
        return self.kept().filter(disabled_at=None)


class WebhookEndpoint(models.Model):
    """An integrator's address that receives events as they happen.

    `position` is the place in the workspace's feed up to which its deliveries were created, for events since
    `listens_since`. After several failures in a row the whole endpoint rests until `next_attempt_at`, which is also the
    lease of the worker that sends to it: one at a time, so that order is kept. A deleted one stays until its deliveries
    are gone.
    """

    cuid = models.CharField(max_length=32, unique=True, default=new_cuid, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="webhook_endpoints")
    url = models.URLField("address", max_length=500)
    description = models.CharField(max_length=200, blank=True)
    event_types = models.JSONField()
    secret = SealedTextField(editable=False)
    previous_secret = SealedTextField(blank=True, editable=False, default="")
    previous_secret_until = models.DateTimeField(null=True, editable=False)
    position = models.PositiveBigIntegerField(default=0, editable=False)
    listens_since = models.DateTimeField(editable=False)
    failures_in_a_row = models.PositiveIntegerField(default=0, editable=False)
    failing_since = models.DateTimeField(null=True, editable=False)
    next_attempt_at = models.DateTimeField(editable=False)
    disabled_at = models.DateTimeField(null=True, editable=False)
    disabled_reason = models.CharField(max_length=8, choices=DisabledReason.choices, blank=True, editable=False)
    created_at = models.DateTimeField(default=utc_now, editable=False)
    deleted_at = models.DateTimeField(null=True, editable=False)

    objects = WebhookEndpointQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(disabled_at__isnull=True, disabled_reason="")
                | models.Q(disabled_at__isnull=False, disabled_reason__in=DisabledReason.values),
                name="endpoint_disabled_for_a_reason",
            ),
        ]

    def __str__(self) -> str:
        return self.url

    @property
    def is_enabled(self) -> bool:
        return self.disabled_at is None


class WebhookDelivery(models.Model):
    """One event on its way to one endpoint, or a ping, which has no event.

    Invariant: one row per endpoint and event. Sending an event again makes its row due again.
    """

    cuid = models.CharField(max_length=32, unique=True, default=new_cuid, editable=False)
    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.CASCADE, related_name="deliveries")
    event = models.ForeignKey(OutboxEvent, on_delete=models.PROTECT, null=True, related_name="deliveries")
    # Copied from the event, because they decide which delivery waits for which.
    aggregate = models.CharField(max_length=64)
    sequence = models.PositiveIntegerField()
    status = models.CharField(max_length=9, choices=DeliveryStatus.choices, default=DeliveryStatus.PENDING)
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField()
    give_up_at = models.DateTimeField()
    is_after_gap = models.BooleanField(default=False)
    last_status = models.PositiveSmallIntegerField(null=True)
    last_error = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(default=utc_now)
    delivered_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name_plural = "webhook deliveries"
        constraints = [
            models.UniqueConstraint(fields=["endpoint", "event"], name="delivery_once_per_event"),
            models.CheckConstraint(condition=models.Q(status__in=DeliveryStatus.values), name="delivery_status_known"),
            models.CheckConstraint(
                condition=models.Q(status=DeliveryStatus.DELIVERED, delivered_at__isnull=False)
                | (~models.Q(status=DeliveryStatus.DELIVERED) & models.Q(delivered_at__isnull=True)),
                name="delivery_delivered_iff_dated",
            ),
        ]
        indexes = [
            models.Index(
                fields=["endpoint", "next_attempt_at"],
                condition=models.Q(status=DeliveryStatus.PENDING),
                name="delivery_due",
            ),
            models.Index(
                fields=["endpoint", "aggregate", "sequence"],
                condition=models.Q(status=DeliveryStatus.PENDING),
                name="delivery_in_line",
            ),
            models.Index(fields=["endpoint", "id"], name="delivery_by_endpoint"),
        ]

    def __str__(self) -> str:
        return f"{self.aggregate}#{self.sequence}" if self.sequence else "ping"


class WebhookAttempt(models.Model):
    """One try of a delivery, and the receiver's answer: its status, never its text."""

    delivery = models.ForeignKey(WebhookDelivery, on_delete=models.CASCADE, related_name="tries")
    at = models.DateTimeField()
    milliseconds = models.PositiveIntegerField()
    status = models.PositiveSmallIntegerField("answer", null=True)
    error = models.CharField(max_length=300, blank=True)

    class Meta:
        verbose_name = "attempt"

    def __str__(self) -> str:
        return str(self.status or self.error)
