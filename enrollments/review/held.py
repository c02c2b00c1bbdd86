"""A reviewer's answer is held for ten seconds, in which it can be undone; then a sweep carries it out.

Nothing else happens before: no seat is freed, no money moves, no mail is written, and no event is published. One
UPDATE, on the condition that the answer is still held, decides between undoing it and carrying it out.
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
# A lock timeout, or a lost database connection. It is retried for as long as it takes; the doctor reports it.
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
    """Hold an answer to a submitted enrollment for ten seconds; a repeated one by the same reviewer changes nothing.

    Raises Invalid for a rejection without a reason, ReviewHeld if another answer is held, StatusMoved if the enrollment
    was already decided, NotFound.
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
    """Undo the actor's own answer: the enrollment waits as before, and nobody is notified. Raises NotFound, and
    ReviewSettled if it was carried out.
    """
    review = HeldReview.objects.filter(pk=held_review_id, decided_by=str(actor)).first()
    if review is None:
        raise NotFound("There is no such answer of yours.")
    _undo(review, "Your answer", now)
    return review


def release_review(*, held_review_id: int, actor: Actor, now: dt.datetime) -> HeldReview:
    """Undo anybody's answer: the case waits for a reviewer again. Raises NotFound, or ReviewSettled if it is late."""
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
    """Carry out the answers that are due, each in its own transaction; returns how many were handled. A failed one is
    retried later and does not delay the others; one that is no longer possible is refused.
    """
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
    """Return the answers that are still held."""
    return HeldReview.objects.filter(status=HeldReviewStatus.HELD)


def refused_reviews() -> QuerySet[HeldReview]:
    """Return the latest answers to enrollments that could not be carried out, while the enrollment still waits."""
    refused = HeldReview.objects.filter(status=HeldReviewStatus.REFUSED)
    waiting = refused.filter(enrollment__eligibility_status=EligibilityStatus.SUBMITTED, enrollment__deleted_at=None)
    later = HeldReview.objects.filter(enrollment=OuterRef("enrollment"), pk__gt=OuterRef("pk"))
    return waiting.filter(~Exists(later))


def tell_held(review: HeldReview) -> str:
    """Say who gave the answer: "Ana Ruiz has just approved it", for example."""
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
    """Change the status of a held answer; return False if it is no longer held."""
    settled = held_reviews().filter(pk=review_id)
    return settled.update(status=status, settled_at=now, last_error=fit(HeldReview, "last_error", error)) == 1
