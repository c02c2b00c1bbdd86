from django.db import models

from core.clock import utc_now
from core.sealing import SealedTextField

from .providers import Provider
from .steps import EnrollmentStep

UNREAD = ~models.Q(unread="")


class PartnerEvent(models.Model):
    """The inbox: a partner's message, stored once by the id the partner gave it, before anything is done about it.

    `payload` holds the fields that we act on and nothing else, since the rest may name people. An event about a learner
    we do not know (yet) waits unmatched. One that the partner's field map does not fit keeps the original message,
    sealed, until it can be read.
    """

    provider = models.ForeignKey(Provider, on_delete=models.PROTECT, related_name="events")
    event_id = models.CharField(max_length=255)
    type = models.CharField(max_length=100)
    external_enrollment_id = models.CharField(max_length=255)
    payload = models.JSONField(default=dict)
    unread = SealedTextField(blank=True, editable=False, default="", db_default="")
    step = models.ForeignKey(EnrollmentStep, null=True, blank=True, on_delete=models.PROTECT, related_name="events")
    received_at = models.DateTimeField(default=utc_now, editable=False)
    handled_at = models.DateTimeField(null=True, blank=True)
    outcome = models.CharField(max_length=100, blank=True)  # the outcome of handling it, for example "completed"
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(default=utc_now)
    last_error = models.CharField(max_length=300, blank=True)

    class Meta:
        verbose_name_plural = "partners' inbox"
        constraints = [models.UniqueConstraint(fields=["provider", "event_id"], name="partner_event_once")]
        indexes = [
            models.Index(
                fields=["next_attempt_at"], condition=models.Q(handled_at__isnull=True), name="partner_event_due"
            ),
            models.Index(fields=["provider", "external_enrollment_id"], name="partner_event_about"),
            models.Index(fields=["provider"], condition=UNREAD, name="partner_event_unread"),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.event_id}"
