from django.db import models

from accounts.models import Workspace
from core.clock import utc_now
from core.ids import new_cuid

from .states import RelayStatus


class OutboxEvent(models.Model):
    """A fact, written in the transaction that made it true and relayed afterwards, at least once.

    Invariant: `sequence` counts 1, 2, 3 … within one aggregate, in the order of the facts. Consumers order by it and
    drop repeats by `cuid`.
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
    position = models.PositiveBigIntegerField(null=True)  # in the workspace's feed, once somebody has asked for it

    class Meta:
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
                fields=["workspace", "id"], condition=models.Q(position__isnull=True), name="outbox_without_position"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.aggregate}#{self.sequence}"


class EventFeed(models.Model):
    """How far the events of a workspace are numbered.

    Invariant: positions are given out without gaps up to `last_position`, under the lock on this row.
    """

    workspace = models.OneToOneField(Workspace, on_delete=models.PROTECT, related_name="event_feed")
    last_position = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return f"Feed of workspace {self.workspace_id}, numbered up to {self.last_position}"
