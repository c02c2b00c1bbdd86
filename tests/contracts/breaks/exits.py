"""Breaches of the invariants of deleted enrollments, planned exits, and held reviews, and near misses."""

import datetime as dt

from core.clock import utc_now
from enrollments.allocations.idle.asking import keep_seat
from enrollments.deletion import delete_enrollment
from enrollments.exit import plan_exit, withdraw_exit
from enrollments.lifecycle import finish_participation
from enrollments.models import Enrollment, EnrollmentDecision, HeldReview, IdleSeat, Inquiry, PlannedExit
from enrollments.review.held import hold_review, undo_review
from enrollments.states import EligibilityStatus
from enrollments.tests.factories import STAFF

from .enrollments import TODAY
from .world import Rows, World, breaks, spares

# --- Deleted ----------------------------------------------------------------------------------------------------------


@breaks("enrollments.deleted_enrollments_hold_nothing")
def an_enrollment_that_was_only_hidden(world: World) -> str:
    Enrollment.objects.filter(pk=world.used.enrollment_id).update(deleted_at=utc_now())
    return f"enrollment {world.used.enrollment_id}"


@breaks("enrollments.deleted_enrollments_hold_nothing")
def a_request_that_was_only_hidden(world: World) -> Rows:
    """It is deleted while its payment is still open."""
    Enrollment.objects.filter(pk=world.waiting.enrollment_id).update(deleted_at=utc_now())
    return {
        "enrollments.deleted_enrollments_hold_nothing": [f"enrollment {world.waiting.enrollment_id}"],
        "enrollments.live_checkouts_are_wanted": [f"checkout {world.checkout.pk}"],
    }


@spares("enrollments.deleted_enrollments_hold_nothing")
def an_enrollment_that_was_deleted_with_its_seat(world: World) -> None:
    delete_enrollment(enrollment_id=world.used.enrollment_id, actor=STAFF, now=utc_now())


# --- Exits ------------------------------------------------------------------------------------------------------------


@breaks("enrollments.planned_exits_are_of_the_enrolled")
def an_exit_of_somebody_who_is_not_enrolled(world: World) -> str:
    plan = a_planned_exit(world.used, on=TODAY + dt.timedelta(days=30))
    PlannedExit.objects.filter(pk=plan.pk).update(enrollment=world.reserved.enrollment)
    return f"planned exit {plan.pk}"


@breaks("enrollments.planned_exits_are_of_the_enrolled")
def an_exit_of_somebody_who_has_completed(world: World) -> str:
    plan = a_planned_exit(world.paid, on=TODAY + dt.timedelta(days=30))
    finish_participation(enrollment_id=world.paid.enrollment_id, actor=STAFF, reason="Done", now=utc_now())
    PlannedExit.objects.filter(pk=plan.pk).update(status="planned")
    return f"planned exit {plan.pk}"


@spares("enrollments.planned_exits_are_of_the_enrolled")
def an_exit_that_a_completion_has_overtaken(world: World) -> None:
    a_planned_exit(world.paid, on=TODAY + dt.timedelta(days=30))
    finish_participation(enrollment_id=world.paid.enrollment_id, actor=STAFF, reason="Done", now=utc_now())


@spares("enrollments.planned_exits_are_of_the_enrolled")
def an_exit_that_was_withdrawn_before_the_end(world: World) -> None:
    plan = a_planned_exit(world.used, on=TODAY + dt.timedelta(days=30))
    withdraw_exit(planned_exit_id=plan.pk, actor=STAFF, now=utc_now())
    PlannedExit.objects.filter(pk=plan.pk).update(enrollment=world.reserved.enrollment)


@breaks("enrollments.planned_exits_are_carried_out")
def an_exit_whose_day_has_begun(world: World) -> str:
    plan = a_planned_exit(world.used, on=TODAY + dt.timedelta(days=30))
    PlannedExit.objects.filter(pk=plan.pk).update(effective_date=TODAY - dt.timedelta(days=2))
    return f"planned exit {plan.pk}"


@spares("enrollments.planned_exits_are_carried_out")
def an_exit_that_waits_for_its_day(world: World) -> None:
    a_planned_exit(world.used, on=TODAY + dt.timedelta(days=3))


def a_planned_exit(decision: EnrollmentDecision, *, on: dt.date) -> PlannedExit:
    plan_exit(enrollment_id=decision.enrollment_id, effective_date=on, reason="Moves away", actor=STAFF, now=utc_now())
    return PlannedExit.objects.get(enrollment=decision.enrollment_id)


# --- Held reviews -----------------------------------------------------------------------------------------------------


@breaks("enrollments.held_reviews_are_carried_out")
def an_answer_that_no_sweep_carries_out(world: World) -> str:
    review = a_held_review(world.reserved)
    HeldReview.objects.filter(pk=review.pk).update(created_at=utc_now() - dt.timedelta(hours=1))
    return f"held answer {review.pk}"


@spares("enrollments.held_reviews_are_carried_out")
def an_answer_that_was_just_given(world: World) -> None:
    a_held_review(world.reserved)


@spares("enrollments.held_reviews_are_carried_out")
def an_answer_that_was_undone(world: World) -> None:
    review = a_held_review(world.reserved)
    undo_review(held_review_id=review.pk, actor=STAFF, now=utc_now())
    HeldReview.objects.filter(pk=review.pk).update(created_at=utc_now() - dt.timedelta(hours=1))


@breaks("enrollments.unanswered_inquiries_are_reported")
def a_question_that_nobody_answered(world: World) -> str:
    return f"question to a family {a_question(world.reserved).pk}"


@spares("enrollments.unanswered_inquiries_are_reported")
def a_question_that_staff_know_of(world: World) -> None:
    inquiry = a_question(world.reserved)
    Inquiry.objects.filter(pk=inquiry.pk).update(reported_at=utc_now())


@spares("enrollments.unanswered_inquiries_are_reported")
def a_question_about_what_was_decided(world: World) -> None:
    a_question(world.used)


@breaks("enrollments.idle_seats_are_settled")
def an_idle_seat_that_nobody_took_back(world: World) -> str:
    return f"idle seat {an_idle_seat(world.used).pk}"


@breaks("enrollments.idle_seats_are_settled")
def an_idle_seat_that_is_still_held(world: World) -> str:
    idle = an_idle_seat(world.used)
    IdleSeat.objects.filter(pk=idle.pk).update(status="reclaimed", settled_at=utc_now())
    return f"idle seat {idle.pk}"


@spares("enrollments.idle_seats_are_settled")
def an_idle_seat_that_was_kept(world: World) -> None:
    keep_seat(idle_seat_id=an_idle_seat(world.used).pk, actor=STAFF, now=utc_now())


def an_idle_seat(decision: EnrollmentDecision) -> IdleSeat:
    """Create a question about an idle seat whose time expired a day ago."""
    asked_at = utc_now() - dt.timedelta(days=8)
    due_at = asked_at + dt.timedelta(days=7)
    idle_since = asked_at - dt.timedelta(days=30)
    return IdleSeat.objects.create(seat_id=decision.seat_id, idle_since=idle_since, asked_at=asked_at, due_at=due_at)


def a_question(decision: EnrollmentDecision) -> Inquiry:
    """Create a question to a family whose time expired a day ago."""
    asked_at = utc_now() - dt.timedelta(days=8)
    due_at = asked_at + dt.timedelta(days=7)
    return Inquiry.objects.create(
        enrollment_id=decision.enrollment_id, question="?", asked_by="user:1", asked_at=asked_at, due_at=due_at
    )


def a_held_review(decision: EnrollmentDecision) -> HeldReview:
    return hold_review(
        enrollment_id=decision.enrollment_id, outcome=EligibilityStatus.APPROVED, actor=STAFF, now=utc_now()
    )
