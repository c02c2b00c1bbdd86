from django.core.validators import MaxValueValidator, MinValueValidator, URLValidator, validate_slug
from django.db import models

from accounts.models import Workspace
from core.addresses import AddressField
from core.clock import utc_now
from core.sealing import SealedTextField

from ..states import Adapter


class Provider(models.Model):
    """A partner that teaches: its learning management system, and what we expect of it.

    Its slug is unique across the whole installation, because it is part of its webhook URL. The API key and the webhook
    signing secrets are sealed in the database. While it is paused, nobody is sent to it.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="providers")
    slug = models.CharField(max_length=50, unique=True, validators=[validate_slug])
    name = models.CharField(max_length=200)
    adapter = models.CharField(max_length=6, choices=Adapter.choices, default=Adapter.REST)
    base_url = models.URLField(max_length=500, blank=True, validators=[URLValidator(["http", "https"])])
    api_key = SealedTextField(blank=True)
    webhook_secret = SealedTextField(blank=True, editable=False, default="", db_default="")
    previous_webhook_secret = SealedTextField(blank=True, editable=False, default="", db_default="")
    previous_secret_until = models.DateTimeField(null=True, editable=False)
    timeout_seconds = models.PositiveSmallIntegerField(
        default=10,
        db_default=10,
        validators=[MinValueValidator(1), MaxValueValidator(60)],
        help_text="Within how many seconds its system has to answer.",
    )
    expected_days = models.PositiveSmallIntegerField(
        default=14,
        validators=[MinValueValidator(1)],
        help_text="Within how many days it has agreed that a learner finishes here.",
    )
    stuck_after_days = models.PositiveSmallIntegerField(
        default=7,
        validators=[MinValueValidator(1)],
        help_text="After how many days in progress a learner counts as stuck.",
    )
    accept_within_hours = models.PositiveSmallIntegerField(
        default=24,
        db_default=24,
        validators=[MinValueValidator(1)],
        help_text="Within how many hours it has agreed to take a learner whose turn it is.",
    )
    poll_hours = models.PositiveSmallIntegerField(
        default=6,
        db_default=6,
        validators=[MinValueValidator(1)],
        help_text="After how many hours without news of a learner its system is asked for it.",
    )
    contact_email = AddressField(blank=True)
    # Its names for what we send and read, where they differ from docs/partners.md; valid by `find_faults`.
    field_map = models.JSONField(default=dict, db_default={}, blank=True)
    paused_at = models.DateTimeField(null=True, blank=True, editable=False)
    # Since when no call was answered, and until when at least it is left alone; empty while it answers.
    silent_since = models.DateTimeField(null=True, editable=False)
    silent_until = models.DateTimeField(null=True, editable=False)
    # When a worker may start its next round: a running one sets it ahead, and a silent partner has a pause.
    next_round_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(default=utc_now, editable=False)

    class Meta:
        verbose_name = "partner"
        constraints = [
            models.CheckConstraint(condition=models.Q(adapter__in=Adapter.values), name="provider_adapter_known"),
            models.CheckConstraint(
                condition=~models.Q(adapter=Adapter.REST) | ~models.Q(base_url=""), name="provider_rest_has_address"
            ),
            models.CheckConstraint(
                condition=models.Q(expected_days__gte=1, stuck_after_days__gte=1), name="provider_days_from_one"
            ),
            models.CheckConstraint(
                condition=models.Q(accept_within_hours__gte=1), name="provider_accept_hours_from_one"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_reachable(self) -> bool:
        """Return whether learners can progress there: staff have not paused it, and it answers as far as we know."""
        return self.paused_at is None and self.silent_since is None
