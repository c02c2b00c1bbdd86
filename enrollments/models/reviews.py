"""What reviewers work with: the rejection reasons that their workspace offers, answers that can still be undone, who
has which case open, and questions to families.
"""

from django.db import models

from accounts.models import User, Workspace
from core.clock import utc_now

from ..states import REVIEWED, EligibilityStatus, HeldReviewStatus, InquiryStatus
from .enrollments import Enrollment


class ReviewReason(models.Model):
    """A rejection reason that a workspace's reviewers choose at the desk instead of typing it.

    Invariant: a workspace has each reason once. The family reads the chosen text word for word; changing it here does
    not change earlier letters.
    """

    workspace = models.ForeignKey(Workspace, on_delete=models.PROTECT, related_name="review_reasons")
    text = models.CharField("reason", max_length=300, help_text="The family reads it word for word.")
    position = models.PositiveSmallIntegerField("order", default=0)
    is_offered = models.BooleanField("offered", default=True, help_text="Reviewers can choose it.")
    created_at = models.DateTimeField(default=utc_now, editable=False)

    class Meta:
        verbose_name = "reason for rejection"
        verbose_name_plural = "reasons for rejection"
        constraints = [
            models.UniqueConstraint(fields=["workspace", "text"], name="review_reason_unique"),
        ]

    def __str__(self) -> str:
        return self.text


class HeldReview(models.Model):
    """A reviewer's answer at the desk, which is carried out when its time has come unless it was undone by then.

    Invariant: an enrollment has at most one that is held. Rows are never deleted: each records its outcome.
    """

    enrollment = models.ForeignKey(Enrollment, on_delete=models.PROTECT, related_name="held_reviews")
    outcome = models.CharField(max_length=8, choices=[(status.value, status.label) for status in REVIEWED])
    reason = models.CharField(max_length=300, blank=True)  # the family reads it
    note = models.CharField(max_length=300, blank=True)  # for colleagues only
    status = models.CharField(max_length=11, choices=HeldReviewStatus.choices, default=HeldReviewStatus.HELD)
    decided_by = models.CharField(max_length=64)
    created_at = models.DateTimeField(default=utc_now, editable=False)
    settled_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField()  # when it is carried out; postponed after a failed attempt
    last_error = models.CharField(max_length=300, blank=True)

    class Meta:
        verbose_name = "held answer"
        constraints = [
            models.UniqueConstraint(
                fields=["enrollment"], condition=models.Q(status=HeldReviewStatus.HELD), name="held_review_one_open"
            ),
            models.CheckConstraint(condition=models.Q(outcome__in=REVIEWED), name="held_review_outcome_known"),
            models.CheckConstraint(
                condition=models.Q(status__in=HeldReviewStatus.values), name="held_review_status_known"
            ),
            models.CheckConstraint(
                condition=models.Q(outcome=EligibilityStatus.APPROVED) | ~models.Q(reason=""),
                name="held_review_says_why",
            ),
            models.CheckConstraint(
                condition=models.Q(status=HeldReviewStatus.HELD, settled_at__isnull=True)
                | ~models.Q(status=HeldReviewStatus.HELD) & models.Q(settled_at__isnull=False),
                name="held_review_settled_unless_held",
            ),
        ]
        indexes = [
            models.Index(
                fields=["next_attempt_at"], condition=models.Q(status=HeldReviewStatus.HELD), name="held_review_due"
            ),
            models.Index(fields=["decided_by", "-id"], name="held_review_by_reviewer"),
        ]

    def __str__(self) -> str:
        return f"Held review {self.pk}"


class OpenCase(models.Model):
    """Which case a reviewer has open at the desk, until a time that is extended while they look at it. A mark for
    colleagues, not a lock.

    Invariant: one per reviewer, who has one case open.
    """

    user = models.OneToOneField(User, on_delete=models.CASCADE, related_name="open_case")
    enrollment = models.ForeignKey(Enrollment, on_delete=models.CASCADE, related_name="open_cases")
    until = models.DateTimeField()

    def __str__(self) -> str:
        return f"Enrollment {self.enrollment_id} until {self.until}"


class Inquiry(models.Model):
    """A reviewer's question to the family before deciding, and the family's answer.

    Invariant: an enrollment has at most one that is open; it has an answer exactly if one was given. Rows are never
    deleted. The family sees only the workspace, never who asked.
    """

    enrollment = models.ForeignKey(Enrollment, on_delete=models.PROTECT, related_name="inquiries")
    question = models.CharField(max_length=1000)
    asked_by = models.CharField(max_length=64)
    asked_at = models.DateTimeField()
    due_at = models.DateTimeField()  # the case waits for the family until then
    status = models.CharField(max_length=9, choices=InquiryStatus.choices, default=InquiryStatus.OPEN)
    answer = models.CharField(max_length=2000, blank=True)
    settled_at = models.DateTimeField(null=True, blank=True)
    reminded_at = models.DateTimeField(null=True, blank=True)
    reported_at = models.DateTimeField(null=True, blank=True)  # when staff were notified that no answer came

    class Meta:
        verbose_name = "question to a family"
        verbose_name_plural = "questions to families"
        constraints = [
            models.UniqueConstraint(
                fields=["enrollment"], condition=models.Q(status=InquiryStatus.OPEN), name="inquiry_one_open"
            ),
            models.CheckConstraint(condition=models.Q(status__in=InquiryStatus.values), name="inquiry_status_known"),
            models.CheckConstraint(
                condition=models.Q(status=InquiryStatus.ANSWERED) & ~models.Q(answer="")
                | ~models.Q(status=InquiryStatus.ANSWERED) & models.Q(answer=""),
                name="inquiry_answered_with_words",
            ),
            models.CheckConstraint(
                condition=models.Q(status=InquiryStatus.OPEN, settled_at__isnull=True)
                | ~models.Q(status=InquiryStatus.OPEN) & models.Q(settled_at__isnull=False),
                name="inquiry_settled_unless_open",
            ),
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=models.Q(status=InquiryStatus.OPEN), name="inquiry_due"),
        ]

    def __str__(self) -> str:
        return f"Question {self.pk}"
