"""The notices that reviewers see above the open case: their own answers that can still be undone, or that failed."""

import datetime as dt
from dataclasses import dataclass

from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.roles import Power
from backoffice.scoping import access_of, actor_of

from ...models import Enrollment, HeldReview
from ...review.held import UNDO_SECONDS, held_reviews, refused_reviews
from ...states import EligibilityStatus

TOLD = 3


@dataclass(frozen=True, slots=True)
class Notice:
    """A sentence about one of the reviewer's own answers."""

    text: str
    review: HeldReview
    until: dt.datetime | None = None  # it can be undone at least until then


def held_notices(request: HttpRequest) -> list[Notice]:
    """Return this reviewer's latest answers that are still held, the newest first."""
    return [
        Notice(
            f"{_describe(review.enrollment)}: {_done(review)}.",
            review,
            review.created_at + dt.timedelta(seconds=UNDO_SECONDS),
        )
        for review in _mine(held_reviews(), request)
    ]


def refused_notices(request: HttpRequest) -> list[Notice]:
    """Return this reviewer's answers that could not be carried out and whose enrollments still wait."""
    return [
        Notice(
            f"{_describe(review.enrollment)}, could not be {_done(review)}: {review.last_error}",
            review,
        )
        for review in _mine(refused_reviews(), request)
    ]


def _mine(reviews: QuerySet[HeldReview], request: HttpRequest) -> list[HeldReview]:
    seen = access_of(request).limit(reviews, path="enrollment__workspace", power=Power.DECIDE)
    mine = seen.filter(decided_by=str(actor_of(request))).order_by("-pk")
    return list(mine.select_related("enrollment__learner", "enrollment__lead", "enrollment__instance")[:TOLD])


def _done(review: HeldReview) -> str:
    return EligibilityStatus(review.outcome).label.lower()


def _describe(enrollment: Enrollment) -> str:
    return f"{enrollment.person}, {enrollment.instance}"
