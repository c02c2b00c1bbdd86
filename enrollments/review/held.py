"""A reviewer's answer is held for ten seconds, in which it can be undone; then a sweep carries it out.

Nothing else is done before: no seat is freed, no money moves, no mail is written and no event is published. One UPDATE,
whose condition is that the answer is still held, decides between undoing it and carrying it out.
"""

import datetime as dt

import structlog
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet

from core import retries
from core.actors import Actor
from core.errors import DomainError, NotFound
from core.text import fit

from ..errors import ReviewHeld, ReviewSettled
from ..latest import name_actor
from ..lifecycle import approve_enrollment, check_open, lock_to_end, reject_enrollment, require_reason
from ..locks import lock_enrollment, lock_enrollment_with_seat
from ..models import HeldReview
from ..states import EligibilityStatus, HeldReviewStatus

log = structlog.get_logger(__name__)

UNDO_SECONDS = 10
# A lock that was not free in time, or a database that went away. It is tried for as long as it takes; the doctor tells.
RETRY = retries.Retry(
    first_pause_seconds=15.0, longest_pause_seconds=900.0, lease=dt.timedelta(minutes=5), attempts=1000
)


@transaction.atomic
def hold_review(
    *,
    enrollment_id: int,
    outcome: EligibilityStatus,
    actor: Actor,
    reason: str = "",
    note: str = "",
    now: dt.datetime,
) -> HeldReview:
    """Keep an answer to a submitted enrollment, to be carried out in ten seconds; the same answer by the same reviewer
    again changes nothing.

    Raises Invalid for a rejection without a reason, ReviewHeld if another answer is held, StatusMoved if it was decided
    otherwise, NotFound.
    """
    if outcome == EligibilityStatus.REJECTED:
        reason = require_reason(reason)
    enrollment = lock_enrollment(enrollment_id)
    check_open(enrollment, EligibilityStatus.SUBMITTED, now)
    held = held_reviews().filter(enrollment=enrollment).first()
    if held is not None:
        if (held.decided_by, held.outcome) == (str(actor), outcome):
            return held
        raise ReviewHeld(tell_held(held))
    return HeldReview.objects.create(
        enrollment=enrollment,
        outcome=outcome,
        reason=fit(HeldReview, "reason", reason),
        note=fit(HeldReview, "note", note.strip()),
        decided_by=str(actor),
        created_at=now,
        next_attempt_at=now + dt.timedelta(seconds=UNDO_SECONDS),
    )


def undo_review(*, held_review_id: int, actor: Actor, now: dt.datetime) -> HeldReview:
    """Take one's own answer back: the enrollment waits as before, and nobody hears of it. Raises NotFound, and
    ReviewSettled if it was carried out."""
    review = HeldReview.objects.filter(pk=held_review_id, decided_by=str(actor)).first()
    if review is None:
        raise NotFound("There is no such answer of yours.")
    _undo(review, "Your answer", now)
    return review


def release_review(*, held_review_id: int, actor: Actor, now: dt.datetime) -> HeldReview:
    """Take a colleague's answer back, or one's own: the case waits for a reviewer again. Raises NotFound, and
    ReviewSettled if it was carried out or undone."""
    review = HeldReview.objects.filter(pk=held_review_id).first()
    if review is None:
        raise NotFound("There is no such answer.")
    _undo(review, "The answer", now)
    log.info("held_review_released", held_review=review.pk, actor=str(actor))
    return review


def _undo(review: HeldReview, whose: str, now: dt.datetime) -> None:
    if not _settle(review.pk, HeldReviewStatus.UNDONE, now):
        status = HeldReview.objects.values_list("status", flat=True).get(pk=review.pk)
        was = HeldReviewStatus(status).label.lower()
        raise ReviewSettled(f"{whose} was {was} already. Change the enrollment on its own page.")


def carry_out_due_reviews(*, limit: int = 100, now: dt.datetime) -> int:
    """Carry out the answers whose time has come, each in a transaction of its own; returns how many were dealt with.
    One that fails is tried again later and holds up no other; one that is no longer possible is refused."""
    found = list(retries.due(held_reviews(), now=now)[:limit])
    for review in found:
        try:
            _carry_out(review, now)
        except DomainError as refusal:
            log.warning("review_refused", held_review=review.pk, code=refusal.code)
            _settle(review.pk, HeldReviewStatus.REFUSED, now, error=refusal.detail)
        except Exception as error:
            log.exception("review_not_carried_out", held_review=review.pk)
            retries.record_failure(
                held_reviews().filter(pk=review.pk),
                retry=RETRY,
                attempts=review.attempts + 1,
                error=type(error).__name__,
                now=now,
            )
    return len(found)


def held_reviews() -> QuerySet[HeldReview]:
    """The answers that wait for their time."""
    return HeldReview.objects.filter(status=HeldReviewStatus.HELD)


def refused_reviews() -> QuerySet[HeldReview]:
    """The newest answers to enrollments that could not be carried out, while the enrollment still waits."""
    refused = HeldReview.objects.filter(status=HeldReviewStatus.REFUSED)
    waiting = refused.filter(enrollment__eligibility_status=EligibilityStatus.SUBMITTED, enrollment__deleted_at=None)
    later = HeldReview.objects.filter(enrollment=OuterRef("enrollment"), pk__gt=OuterRef("pk"))
    return waiting.filter(~Exists(later))


def tell_held(review: HeldReview) -> str:
    """ "Ana Ruiz has just approved it." """
    return f"{name_actor(review.decided_by)} has just {EligibilityStatus(review.outcome).label.lower()} it."


@transaction.atomic
def _carry_out(review: HeldReview, now: dt.datetime) -> None:
    is_approval = review.outcome == EligibilityStatus.APPROVED
    (lock_enrollment_with_seat if is_approval else lock_to_end)(review.enrollment_id)
    if not _settle(review.pk, HeldReviewStatus.CARRIED_OUT, now):
        return  # undone, or carried out by another worker, since it was found
    (approve_enrollment if is_approval else reject_enrollment)(
        enrollment_id=review.enrollment_id,
        actor=Actor.read(review.decided_by),
        reason=review.reason,
        note=review.note,
        expected_status=EligibilityStatus.SUBMITTED,
        now=now,
    )


def _settle(review_id: int, status: HeldReviewStatus, now: dt.datetime, *, error: str = "") -> bool:
    """Move an answer that is held; False if it is held no longer."""
    settled = held_reviews().filter(pk=review_id)
    return settled.update(status=status, settled_at=now, last_error=fit(HeldReview, "last_error", error)) == 1
