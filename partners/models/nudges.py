import datetime as dt

from django.db import models
from django.db.models import Q

from accounts.models import Workspace
from core.addresses import AddressField
from core.clock import utc_now
from enrollments.models import Enrollment

from .providers import Provider

# The minimum interval between nudges to a recipient about one thing, and the maximum number in a row.
WEEK = dt.timedelta(days=7)
AT_MOST = 4


class NudgeQuerySet(models.QuerySet["Nudge"]):
    def going(self) -> "NudgeQuerySet":
        """Return those whose recipient may be written to: nobody stopped them, and they were not given up."""
        return self.filter(stopped_at=None, given_up_at=None)


class Nudge(models.Model):
    """The nudges to one recipient about one thing: to a family about an enrollment, or to a partner's contact about the
    learners who wait for that partner.

    Invariants: about exactly one thing, once per recipient; at most AT_MOST in a row, a WEEK apart; none after the
    recipient stopped them. `next_attempt_at` is when the next one may be sent, moved ahead by the statement that claims
    it.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="nudges")
    enrollment = models.ForeignKey(Enrollment, null=True, blank=True, on_delete=models.PROTECT, related_name="nudges")
    provider = models.ForeignKey(Provider, null=True, blank=True, on_delete=models.PROTECT, related_name="nudges")
    recipient = AddressField(max_length=254)
    sent_count = models.PositiveSmallIntegerField(default=0)  # in a row, since something last progressed
    last_sent_at = models.DateTimeField(null=True, blank=True)
    next_attempt_at = models.DateTimeField(default=utc_now)
    stopped_at = models.DateTimeField(null=True, blank=True)
    stopped_by = models.CharField(max_length=64, blank=True)
    given_up_at = models.DateTimeField(null=True, blank=True)  # when staff were asked to step in instead
    created_at = models.DateTimeField(default=utc_now, editable=False)

    objects = NudgeQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["enrollment", "recipient"], name="nudge_once_per_family"),
            models.UniqueConstraint(fields=["provider", "recipient"], name="nudge_once_per_contact"),
            models.CheckConstraint(
                condition=Q(enrollment__isnull=False, provider__isnull=True)
                | Q(enrollment__isnull=True, provider__isnull=False),
                name="nudge_about_one_thing",
            ),
            models.CheckConstraint(condition=Q(sent_count__lte=AT_MOST), name="nudge_at_most_four_in_a_row"),
            models.CheckConstraint(
                condition=Q(sent_count=0) | Q(last_sent_at__isnull=False), name="nudge_sent_at_some_time"
            ),
            models.CheckConstraint(
                condition=(Q(stopped_at__isnull=True) & Q(stopped_by=""))
                | (Q(stopped_at__isnull=False) & ~Q(stopped_by="")),
                name="nudge_stopped_by_somebody",
            ),
        ]

    def __str__(self) -> str:
        return f"Nudge {self.pk}"

    @property
    def subject(self) -> str:
        """Return what it is about, as the subject of staff tasks."""
        if self.provider_id is not None:
            return f"partner:{self.provider_id}"
        return f"enrollment:{self.enrollment_id}"
