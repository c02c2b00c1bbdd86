from django.db import models

from ..states import IdleSeatStatus
from .decisions import EnrollmentDecision
from .seats import SeatAssignment


class IdleSeat(models.Model):
    """A used seat whose learner shows no activity, the question whether the family is still coming, and the outcome.

    Invariant: at most one per seat waits for an answer; it is settled by the family, by staff, by activity, by the end
    of the enrollment, or by its deadline. Rows are never deleted. `passed_on_to` is the decision that has the seat now.
    """

    seat = models.ForeignKey(SeatAssignment, on_delete=models.PROTECT, related_name="idle_seats")
    status = models.CharField(max_length=9, choices=IdleSeatStatus.choices, default=IdleSeatStatus.ASKED)
    idle_since = models.DateTimeField()  # the last activity, or when the seat was used or the program began
    asked_at = models.DateTimeField()
    due_at = models.DateTimeField()  # the family can keep the seat until then
    settled_at = models.DateTimeField(null=True, blank=True)
    settled_by = models.CharField(max_length=64, blank=True)
    passed_on_to = models.ForeignKey(
        EnrollmentDecision, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["seat"], condition=models.Q(status=IdleSeatStatus.ASKED), name="idle_seat_asked_once"
            ),
            models.CheckConstraint(condition=models.Q(status__in=IdleSeatStatus.values), name="idle_seat_status_known"),
            models.CheckConstraint(
                condition=models.Q(status=IdleSeatStatus.ASKED, settled_at__isnull=True)
                | ~models.Q(status=IdleSeatStatus.ASKED) & models.Q(settled_at__isnull=False),
                name="idle_seat_settled_unless_asked",
            ),
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=models.Q(status=IdleSeatStatus.ASKED), name="idle_seat_due"),
        ]

    def __str__(self) -> str:
        return f"Idle seat {self.pk}"
