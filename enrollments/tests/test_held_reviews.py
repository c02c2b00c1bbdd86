"""Reviewers' held answers: what happens when, what can intervene, and what is refused."""

import datetime as dt
from typing import Any

import pytest

from accounts.states import Role
from accounts.tests.factories import LeadFactory, StaffFactory
from backoffice.models import AuditEntry
from backoffice.tests.staff_client import StaffClient, said
from core.actors import Actor
from core.clock import utc_now
from core.errors import Invalid, NotFound
from enrollments.errors import ReviewHeld, ReviewSettled, StatusMoved
from enrollments.lifecycle import approve_enrollment, evaluate_enrollment, submit_enrollment
from enrollments.models import Enrollment, EnrollmentTransition, HeldReview, OpenCase
from enrollments.review.held import carry_out_due_reviews, held_reviews, hold_review, release_review, undo_review
from enrollments.review.presence import LEASE, open_case, open_elsewhere
from enrollments.states import EligibilityStatus, ReviewMode
from enrollments.tests.factories import STAFF, CandidateFactory
from events.models import OutboxEvent
from notifications.models import Notification

pytestmark = pytest.mark.django_db

COLLEAGUE = Actor("user", 2)
HELD = dt.timedelta(seconds=10)


def waiting(**fields: Any) -> Enrollment:
    candidate = CandidateFactory(instance__review_mode=ReviewMode.MANUAL, **fields)
    evaluate_enrollment(enrollment_id=candidate.pk, actor=STAFF, now=utc_now())
    return submit_enrollment(enrollment_id=candidate.pk, actor=STAFF, now=utc_now())


def hold(enrollment: Enrollment, outcome: str = "approved", **more: Any) -> HeldReview:
    told: dict[str, Any] = {"actor": STAFF, "reason": "", "now": utc_now()} | more
    return hold_review(enrollment_id=enrollment.pk, outcome=EligibilityStatus(outcome), **told)


def status(enrollment: Enrollment) -> str:
    return Enrollment.objects.get(pk=enrollment.pk).eligibility_status


def told() -> tuple[int, int, int]:
    return OutboxEvent.objects.count(), Notification.objects.count(), EnrollmentTransition.objects.count()


class TestAnAnswer:
    def test_does_nothing_before_its_time(self) -> None:
        enrollment = waiting()
        before = told()
        now = utc_now()

        hold(enrollment, "rejected", reason="The course is full.", now=now)

        assert carry_out_due_reviews(now=now + HELD - dt.timedelta(microseconds=1)) == 0
        assert (status(enrollment), told()) == ("submitted", before)

    @pytest.mark.sqlite
    def test_is_carried_out_in_the_name_of_whoever_gave_it(self) -> None:
        approved, rejected = waiting(), waiting()
        now = utc_now()
        hold(approved, now=now, note="Fits")
        hold(rejected, "rejected", reason="The course is full.", actor=COLLEAGUE, now=now)

        assert carry_out_due_reviews(now=now + HELD) == 2

        ends = EnrollmentTransition.objects.filter(to_status__in=("approved", "rejected")).order_by("enrollment")
        assert list(ends.values_list("to_status", "actor", "reason", "note", "created_at")) == [
            ("approved", "user:1", "", "Fits", now + HELD),
            ("rejected", "user:2", "The course is full.", "", now + HELD),
        ]
        assert {*HeldReview.objects.values_list("status", "settled_at")} == {("carried_out", now + HELD)}

    def test_is_carried_out_once(self) -> None:
        enrollment = waiting()
        hold(enrollment)
        later = utc_now() + HELD
        carry_out_due_reviews(now=later)
        before = told()

        assert carry_out_due_reviews(now=later) == 0
        assert told() == before

    @pytest.mark.sqlite
    def test_that_was_undone_is_never_carried_out(self) -> None:
        enrollment = waiting()
        before = told()
        review = hold(enrollment)

        undo_review(held_review_id=review.pk, actor=STAFF, now=utc_now())

        assert carry_out_due_reviews(now=utc_now() + HELD) == 0
        assert (status(enrollment), told()) == ("submitted", before)

    def test_can_be_undone_as_long_as_nobody_carried_it_out_and_no_longer(self) -> None:
        late, done = hold(waiting()), hold(waiting())
        later = utc_now() + HELD
        undo_review(held_review_id=late.pk, actor=STAFF, now=later)
        carry_out_due_reviews(now=later)

        with pytest.raises(ReviewSettled, match="carried out already"):
            undo_review(held_review_id=done.pk, actor=STAFF, now=later)
        with pytest.raises(NotFound):
            undo_review(held_review_id=done.pk, actor=COLLEAGUE, now=later)

    def test_may_be_another_after_an_undo(self) -> None:
        enrollment = waiting()
        undo_review(held_review_id=hold(enrollment).pk, actor=STAFF, now=utc_now())

        hold(enrollment, "rejected", reason="The course is full.")
        carry_out_due_reviews(now=utc_now() + HELD)

        assert status(enrollment) == "rejected"

    def test_given_twice_is_one(self) -> None:
        enrollment = waiting()

        assert hold(enrollment) == hold(enrollment)
        assert HeldReview.objects.count() == 1

    @pytest.mark.parametrize("other", [{"actor": COLLEAGUE}, {"outcome": "rejected", "reason": "No"}])
    def test_is_no_second_one_beside_the_first(self, other: dict[str, Any]) -> None:
        enrollment = waiting()
        hold(enrollment)

        with pytest.raises(ReviewHeld, match="has just approved it"):
            hold(enrollment, **other)
        assert HeldReview.objects.get().outcome == "approved"

    def test_needs_somebody_who_waits_and_a_reason_to_reject(self) -> None:
        enrollment = waiting()
        decided = waiting()
        approve_enrollment(enrollment_id=decided.pk, actor=STAFF, now=utc_now())

        with pytest.raises(Invalid):
            hold(enrollment, "rejected", reason=" ")
        with pytest.raises(StatusMoved, match="approved it just now"):
            hold(decided)
        assert not HeldReview.objects.exists()


class TestAnAnswerThatComesToNothing:
    def test_because_somebody_was_faster_leaves_what_they_decided(self) -> None:
        enrollment = waiting()
        hold(enrollment, "rejected", reason="The course is full.")
        approve_enrollment(enrollment_id=enrollment.pk, actor=COLLEAGUE, now=utc_now())
        before = told()

        assert carry_out_due_reviews(now=utc_now() + HELD) == 1

        review = HeldReview.objects.get()
        assert (review.status, status(enrollment), told()) == ("refused", "approved", before)
        assert "the enrollment is approved" in review.last_error

    def test_because_nobody_knows_the_name_says_so(self) -> None:
        lead = LeadFactory(first_name="", last_name="", email="somebody@home.test")
        enrollment = waiting(workspace=lead.workspace, learner=None, lead=lead)
        hold(enrollment)

        carry_out_due_reviews(now=utc_now() + HELD)

        review = HeldReview.objects.get()
        assert (review.status, status(enrollment)) == ("refused", "submitted")
        assert review.last_error.startswith("firstName, lastName: It is unknown of this lead")

    def test_for_the_moment_is_tried_again_and_holds_up_no_other(self, monkeypatch: pytest.MonkeyPatch) -> None:
        hold(waiting())
        rejected = waiting()
        hold(rejected, "rejected", reason="The course is full.")
        monkeypatch.setattr("enrollments.review.held.approve_enrollment", _fail)
        later = utc_now() + HELD

        carry_out_due_reviews(now=later)

        failed = HeldReview.objects.get(outcome="approved")
        assert (failed.status, failed.attempts, failed.last_error) == ("held", 1, "OSError")
        assert failed.next_attempt_at > later
        assert status(rejected) == "rejected"


class TestAReviewerWhoIsGone:
    @pytest.mark.sqlite
    def test_holds_neither_a_case_nor_an_answer_longer_than_the_clock_lets_them(self) -> None:
        reviewer = StaffFactory()
        looked_at, answered = waiting(), waiting()
        now = utc_now()
        open_case(user_id=reviewer.pk, enrollment_id=looked_at.pk, now=now)
        hold(answered, actor=Actor("user", reviewer.pk), now=now)
        reviewer.is_active = False
        reviewer.save()

        assert [mark.enrollment for mark in open_elsewhere(user_id=0, now=now)] == [looked_at]
        assert not open_elsewhere(user_id=0, now=now + LEASE).exists()
        carry_out_due_reviews(now=now + HELD)
        assert (status(answered), held_reviews().exists()) == ("approved", False)


class TestReleasing:
    def test_is_done_by_whoever_may_decide_and_is_written_down(self) -> None:
        enrollment = waiting()
        review = hold(enrollment, actor=COLLEAGUE)
        client = StaffClient(workspace=enrollment.workspace, role=Role.REVIEWER)

        page = client.get("/admin/enrollments/heldreview/?status__exact=held")
        done = client.post(f"/admin/enrollments/heldreview/{review.pk}/release/", {"note": "Wrong learner"})

        assert str(enrollment.person) in page.content.decode()
        assert said(done) == [f"{enrollment.person}, {enrollment.instance}: waits for a reviewer again."]
        entry = AuditEntry.objects.get(action="Release")
        assert (entry.model, entry.actor, entry.reason) == (
            "enrollments.heldreview",
            f"user:{client.user.pk}",
            "Wrong learner",
        )
        assert carry_out_due_reviews(now=utc_now() + HELD) == 0
        assert (status(enrollment), HeldReview.objects.get().status) == ("submitted", "undone")

    def test_comes_too_late_for_what_was_carried_out(self) -> None:
        review = hold(waiting())
        carry_out_due_reviews(now=utc_now() + HELD)

        with pytest.raises(ReviewSettled, match="carried out already"):
            release_review(held_review_id=review.pk, actor=COLLEAGUE, now=utc_now())


class TestAnOpenCase:
    @pytest.mark.sqlite
    def test_is_one_for_each_reviewer_and_moves_on(self) -> None:
        reviewer = StaffFactory()
        now = utc_now()

        for enrollment in (waiting(), waiting()):
            open_case(user_id=reviewer.pk, enrollment_id=enrollment.pk, now=now)

        mark = OpenCase.objects.get()
        assert (mark.enrollment_id, mark.until - now) == (enrollment.pk, dt.timedelta(minutes=3))


def _fail(**told: Any) -> None:
    raise OSError
