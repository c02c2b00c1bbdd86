"""What a workspace asks families to agree to, and who agreed."""

from django.db import models

from core.addresses import AddressField
from core.clock import utc_now

from ..states import ConsentEnd, ConsentWay
from .learners import Learner
from .workspaces import Workspace


class ConsentText(models.Model):
    """One version of what families are asked to agree to for a purpose, such as "photos".

    Invariant: it never changes, so that everybody can read later what was agreed to; a new wording is the next version.
    `stopped_at` is set once, when it is no longer asked for.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="consent_texts")
    purpose = models.SlugField(max_length=40, db_index=False)
    version = models.PositiveIntegerField()
    title = models.CharField(max_length=150)
    text = models.TextField(max_length=5000)
    is_required = models.BooleanField("required", default=False)
    from_at = models.DateTimeField("in force from")
    published_by = models.CharField(max_length=64)
    published_at = models.DateTimeField(default=utc_now)
    stopped_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["workspace", "purpose", "version"], name="consent_text_version_unique"),
            models.CheckConstraint(condition=models.Q(version__gte=1), name="consent_text_counted_from_one"),
        ]

    def __str__(self) -> str:
        return f"{self.title} (version {self.version})"


class Consent(models.Model):
    """The agreement of an address's reader to a text about a learner, and until when it holds.

    Invariant: at most one live row per learner, purpose, and address; a row that has ended says how. A consent that
    another system reported says when, and where that system keeps the `evidence`. `purpose` is the text's.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="consents")
    learner = models.ForeignKey(Learner, on_delete=models.PROTECT, related_name="consents")
    text = models.ForeignKey(ConsentText, on_delete=models.PROTECT, related_name="consents")
    purpose = models.SlugField(max_length=40, db_index=False)
    address = AddressField(max_length=254)
    way = models.CharField(max_length=8, choices=ConsentWay.choices)
    evidence = models.CharField(max_length=200, blank=True, db_default="")
    given_at = models.DateTimeField(default=utc_now)
    reported_at = models.DateTimeField(null=True, blank=True)
    recorded_by = models.CharField(max_length=64)
    ended_at = models.DateTimeField(null=True, blank=True)
    end = models.CharField(max_length=9, choices=ConsentEnd.choices, blank=True)
    ended_by = models.CharField(max_length=64, blank=True)
    end_evidence = models.CharField("evidence of the withdrawal", max_length=200, blank=True, db_default="")
    end_reported_at = models.DateTimeField("withdrawal reported at", null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["learner", "purpose", "address"],
                condition=models.Q(ended_at__isnull=True),
                name="consent_one_live",
            ),
            models.CheckConstraint(condition=models.Q(way__in=ConsentWay.values), name="consent_way_known"),
            models.CheckConstraint(
                condition=(models.Q(way=ConsentWay.REPORTED, reported_at__isnull=False) & ~models.Q(evidence=""))
                | (~models.Q(way=ConsentWay.REPORTED) & models.Q(reported_at__isnull=True, evidence="")),
                name="consent_reported_with_evidence",
            ),
            models.CheckConstraint(
                condition=models.Q(ended_at__isnull=True, end="")
                | models.Q(ended_at__isnull=False, end__in=ConsentEnd.values),
                name="consent_ended_somehow",
            ),
            models.CheckConstraint(
                condition=models.Q(end_reported_at__isnull=True, end_evidence="")
                | (models.Q(end=ConsentEnd.WITHDRAWN, end_reported_at__isnull=False) & ~models.Q(end_evidence="")),
                name="consent_end_reported_with_evidence",
            ),
        ]
        indexes = [models.Index(fields=["workspace", "-id"], name="consent_by_workspace")]

    def __str__(self) -> str:
        return f"Consent {self.pk}"
