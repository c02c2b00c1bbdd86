"""A reviewer who undoes an answer at the moment it is carried out, and two who answer at once."""

from typing import Any

import pytest

from core.actors import Actor
from core.clock import utc_now
from enrollments.lifecycle import evaluate_enrollment, submit_enrollment
from enrollments.models import Enrollment, HeldReview
from enrollments.review import held
from enrollments.review.held import carry_out_due_reviews, hold_review, undo_review
from enrollments.states import EligibilityStatus, ReviewMode
from enrollments.tests.factories import STAFF, CandidateFactory
from operations.doctor import examine
from tests.processes import Failure, Meeting, at_once
from tests.sweeps import SOON

from .attempts import four_times_in_walks

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]


def waiting() -> Enrollment:
    enrollment = CandidateFactory(instance__review_mode=ReviewMode.MANUAL)
    evaluate_enrollment(enrollment_id=enrollment.pk, actor=STAFF, now=utc_now())
    return submit_enrollment(enrollment_id=enrollment.pk, actor=STAFF, now=utc_now())


def answer(enrollment: Enrollment, by: Actor = STAFF) -> str:
    review = hold_review(enrollment_id=enrollment.pk, outcome=EligibilityStatus.APPROVED, actor=by, now=utc_now())
    return review.status


def undo() -> str:
    undo_review(held_review_id=HeldReview.objects.get().pk, actor=STAFF, now=utc_now())
    return "undone"


def carry_out() -> str:
    carry_out_due_reviews(now=utc_now() + SOON)
    return "swept"


def kinds(answers: list[Any]) -> list[str]:
    return sorted(found.kind if isinstance(found, Failure) else found for found in answers)


class TestUndoingAgainstCarryingOut:
    @four_times_in_walks
    def test_has_one_outcome(self, attempt: int) -> None:
        enrollment = waiting()
        answer(enrollment)

        answers = at_once(undo, carry_out, carry_out)

        after = (HeldReview.objects.get().status, Enrollment.objects.get(pk=enrollment.pk).eligibility_status)
        assert (after, kinds(answers)) in (
            (("undone", "submitted"), ["swept", "swept", "undone"]),
            (("carried_out", "approved"), ["ReviewSettled", "swept", "swept"]),
        )
        assert examine() == {}

    def test_without_its_condition_would_approve_what_was_undone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: both move the answer, whether or not it is still held."""
        enrollment = waiting()
        answer(enrollment)
        meet = Meeting(lambda: None)  # before either moves it: the later one waits for the row's lock
        monkeypatch.setattr(held, "_settle", lambda *asked, **more: (meet(), _settle_anything(*asked, **more))[1])

        answers = at_once(undo, carry_out)

        assert kinds(answers) == ["swept", "undone"]
        assert Enrollment.objects.get(pk=enrollment.pk).eligibility_status == "approved"


class TestTwoReviewers:
    @four_times_in_walks
    def test_have_one_answer_between_them(self, attempt: int) -> None:
        enrollment = waiting()

        answers = at_once(lambda: answer(enrollment, STAFF), lambda: answer(enrollment, Actor("user", 2)))

        assert kinds(answers) == ["ReviewHeld", "held"]
        assert HeldReview.objects.count() == 1


def _settle_anything(review_id: int, status: str, now: Any, **more: Any) -> bool:
    return HeldReview.objects.filter(pk=review_id).update(status=status, settled_at=now) == 1
