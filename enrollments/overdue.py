"""What waits for a sweep, and never for long; `enrollments.invariants` passes it to the doctor."""

import datetime as dt
from collections.abc import Iterator

from core.invariants import Breach, Extent, Invariant
from core.local_time import has_come

from .models import Application, HeldReview, IdleSeat, Inquiry, PlannedExit
from .states import (
    HELD_SEATS,
    EligibilityStatus,
    ExitStatus,
    HeldReviewStatus,
    IdleSeatStatus,
    InquiryStatus,
)

# The sweep of planned exits runs every five minutes; an exit that has been due for this long was missed.
EXITS_WITHIN = dt.timedelta(minutes=30)
# The sweep of applications runs every hour.
APPLICATIONS_WITHIN = dt.timedelta(hours=6)
# The sweep of held reviews runs every ten seconds.
REVIEWS_WITHIN = dt.timedelta(minutes=15)
# The sweep of questions to families runs every 15 minutes.
INQUIRIES_WITHIN = dt.timedelta(hours=2)
# The sweep of idle seats runs every 15 minutes, and retries in an hour what it could not take back.
IDLE_SEATS_WITHIN = dt.timedelta(hours=2)


def planned_exits_are_carried_out(extent: Extent) -> Iterator[Breach]:
    """An enrollment ends on the day for which it was planned."""
    overdue = has_come(now=extent.now - EXITS_WITHIN, date="effective_date", zone="enrollment__workspace__timezone")
    waiting = extent.of(PlannedExit.objects.all(), "enrollment__workspace").filter(status=ExitStatus.PLANNED)
    for pk, date in waiting.filter(overdue).values_list("pk", "effective_date").iterator():
        yield Breach(f"planned exit {pk}", f"was planned for {date}, and no sweep has carried it out")


def unconfirmed_applications_are_deleted(extent: Extent) -> Iterator[Breach]:
    """What a person told us without proving their address is deleted soon after the link expires."""
    forgotten = Application.objects.filter(confirmed_at__isnull=True, expires_at__lt=extent.now - APPLICATIONS_WITHIN)
    for pk, expired in extent.of(forgotten).values_list("pk", "expires_at").iterator():
        yield Breach(f"application {pk}", f"expired at {expired:%Y-%m-%d %H:%M}, and no sweep has deleted it")


def held_reviews_are_carried_out(extent: Extent) -> Iterator[Breach]:
    """A reviewer's answer is held for seconds, and then carried out, undone, or refused."""
    held = extent.of(HeldReview.objects.all(), "enrollment__workspace").filter(status=HeldReviewStatus.HELD)
    late = held.filter(created_at__lt=extent.now - REVIEWS_WITHIN)
    for pk, created_at in late.values_list("pk", "created_at").iterator():
        yield Breach(f"held answer {pk}", f"was given at {created_at:%Y-%m-%d %H:%M}, and no sweep has carried it out")


def unanswered_inquiries_are_reported(extent: Extent) -> Iterator[Breach]:
    """Staff are notified of a question to a family whose deadline has passed."""
    late = extent.of(Inquiry.objects.all(), "enrollment__workspace").filter(
        status=InquiryStatus.OPEN,
        reported_at=None,
        due_at__lt=extent.now - INQUIRIES_WITHIN,
        enrollment__eligibility_status=EligibilityStatus.SUBMITTED,
        enrollment__deleted_at=None,
    )
    for pk, due_at in late.values_list("pk", "due_at").iterator():
        yield Breach(
            f"question to a family {pk}", f"was to be answered by {due_at:%Y-%m-%d %H:%M}, and no sweep has told staff"
        )


def idle_seats_are_settled(extent: Extent) -> Iterator[Breach]:
    """A seat that nobody kept before the deadline is taken back, and a seat that was taken back is free."""
    rows = extent.of(IdleSeat.objects.all(), "seat__allocation__district__workspace")
    late = rows.filter(status=IdleSeatStatus.ASKED, due_at__lt=extent.now - IDLE_SEATS_WITHIN)
    for pk, due_at in late.values_list("pk", "due_at").iterator():
        yield Breach(f"idle seat {pk}", f"was to be kept by {due_at:%Y-%m-%d %H:%M}, and no sweep has taken it back")
    held = rows.filter(status=IdleSeatStatus.RECLAIMED, seat__status__in=HELD_SEATS)
    for pk, seat in held.values_list("pk", "seat").iterator():
        yield Breach(f"idle seat {pk}", f"was taken back, and seat {seat} is still held")


INVARIANTS: tuple[Invariant, ...] = (
    planned_exits_are_carried_out,
    unconfirmed_applications_are_deleted,
    held_reviews_are_carried_out,
    unanswered_inquiries_are_reported,
    idle_seats_are_settled,
)
