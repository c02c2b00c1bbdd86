import datetime as dt
from collections.abc import Collection

from django.conf import settings
from django.db import models

from accounts.models import Workspace
from core.addresses import AddressField
from core.clock import utc_now

from .states import NotificationStatus


class NotificationQuerySet(models.QuerySet["Notification"]):
    def about(self, subjects: Collection[str]) -> "NotificationQuerySet":
        """Select mails about these subjects, or parts of them: "package:12" also includes "package:12/booked:..."."""
        found = models.Q(subject_key__in=subjects)
        for subject in subjects:
            found |= models.Q(subject_key__startswith=f"{subject}/")
        return self.filter(found)

    def settled_before(self, moment: dt.datetime) -> "NotificationQuerySet":
        """Select those that were sent, skipped, or given up, and neither written nor sent again since."""
        settled = self.exclude(status=NotificationStatus.PENDING).filter(created_at__lt=moment)
        return settled.filter(models.Q(sent_at__isnull=True) | models.Q(sent_at__lt=moment))


class Notification(models.Model):
    """One email to one address, written in the transaction that made its news true and sent afterwards.

    Invariant: one row per kind, subject, and address, so repeated news is mailed once. `params` are ids; the text is
    made from them at sending time, so it says what is true then.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="notifications")
    kind = models.CharField(max_length=40)
    subject_key = models.CharField(max_length=100)  # what it is about, e.g. "package:12"
    recipient = AddressField(max_length=254)
    params = models.JSONField(default=dict)
    status = models.CharField(max_length=7, choices=NotificationStatus.choices, default=NotificationStatus.PENDING)
    attempts = models.PositiveSmallIntegerField(default=0)
    resends = models.PositiveSmallIntegerField(default=0)  # how often staff have had it sent again
    next_attempt_at = models.DateTimeField(default=utc_now)  # also the lease of the worker that sends it
    last_error = models.CharField(max_length=100, blank=True)  # without the address
    created_at = models.DateTimeField(default=utc_now, editable=False)
    sent_at = models.DateTimeField(null=True, blank=True)

    objects = NotificationQuerySet.as_manager()

    class Meta:
        verbose_name = "email"
        constraints = [
            models.UniqueConstraint(fields=["kind", "subject_key", "recipient"], name="notification_once"),
            models.CheckConstraint(
                condition=models.Q(status__in=NotificationStatus.values), name="notification_status_known"
            ),
            models.CheckConstraint(
                condition=~models.Q(status=NotificationStatus.SENT) | models.Q(sent_at__isnull=False),
                name="notification_sent_at_some_time",
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                condition=models.Q(status=NotificationStatus.PENDING),
                name="notification_due",
            ),
            models.Index(fields=["workspace", "-id"], name="notification_by_workspace"),
            models.Index(
                fields=["workspace", "created_at"],
                condition=~models.Q(status=NotificationStatus.PENDING),
                name="notification_by_age",
            ),
            models.Index(fields=["subject_key"], opclasses=["varchar_pattern_ops"], name="notification_by_subject"),
            models.Index(fields=["recipient"], name="notification_by_recipient"),
        ]

    def __str__(self) -> str:
        return f"Notification {self.pk} ({self.kind})"

    @property
    def reference(self) -> str:
        """The mail's name: the same for every try, so that a mail sent twice after a crash can be told from two mails.

        The time distinguishes two installations, or a recreated database, that have the same ids.
        """
        return f"notification-{self.pk}-{self.resends}-{int(self.created_at.timestamp())}"


class WorkspaceLetter(models.Model):
    """A workspace's decision about one kind of mail: its own words in a language, or that it is not sent.

    Invariant: at most one row per workspace, kind, and language; without one, the mail is sent in our words. The words
    contain no placeholder that the kind does not know.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="letters")
    kind = models.CharField(max_length=40)
    language = models.CharField(max_length=5, choices=settings.LANGUAGES, default="en", db_default="en")
    subject = models.CharField(max_length=150)
    body = models.TextField(max_length=5000)
    is_on = models.BooleanField(default=True)
    changed_by = models.CharField(max_length=64)
    changed_at = models.DateTimeField(default=utc_now)

    class Meta:
        verbose_name = "email wording"
        verbose_name_plural = "email wording"
        constraints = [
            models.UniqueConstraint(fields=["workspace", "kind", "language"], name="letter_one_per_kind_and_language"),
        ]

    def __str__(self) -> str:
        return self.kind.replace("_", " ")
