"""What breaks the invariants of seats and decisions, and what comes close."""

import datetime as dt

from django.db.models import F

from billing.models import Checkout, Payment
from enrollments.models import DistrictSeatAllocation, Enrollment, EnrollmentDecision, SeatAssignment
from tests.constraints import drop_constraint

from .world import Rows, World, breaks


@breaks("enrollments.seat_counters_equal_their_holders")
def a_counter_that_lost_a_seat(world: World) -> str:
    DistrictSeatAllocation.objects.filter(pk=world.allocation.pk).update(used_seats=0)
    return f"allocation {world.allocation.pk}"


@breaks("enrollments.seat_counters_equal_their_holders")
def a_seat_released_without_counting(world: World) -> Rows:
    SeatAssignment.objects.filter(pk=world.reserved.seat_id).update(status="released")
    return {
        "enrollments.seat_counters_equal_their_holders": [f"allocation {world.allocation.pk}"],
        "enrollments.completed_decisions_are_funded": [f"decision {world.reserved.pk}"],
        "enrollments.seats_are_published_as_they_are": [f"seat {world.reserved.seat_id}"],
    }


@breaks("enrollments.no_allocation_is_oversold")
def a_total_below_use(world: World) -> str:
    drop_constraint(DistrictSeatAllocation, "allocation_never_oversold")
    DistrictSeatAllocation.objects.filter(pk=world.allocation.pk).update(total_seats=1)
    return f"allocation {world.allocation.pk}"


@breaks("enrollments.one_held_seat_per_learner_and_allocation")
def a_learner_with_two_seats(world: World) -> Rows:
    drop_constraint(SeatAssignment, "seat_one_held_per_learner")
    SeatAssignment.objects.filter(pk=world.reserved.seat_id).update(learner=world.used.learner_id)
    return {
        "enrollments.one_held_seat_per_learner_and_allocation": [f"allocation {world.allocation.pk}"],
        "enrollments.held_seats_agree_with_their_enrollment": [f"seat {world.reserved.seat_id}"],
    }


@breaks("enrollments.held_seats_agree_with_their_enrollment")
def a_seat_held_after_the_end(world: World) -> Rows:
    Enrollment.objects.filter(pk=world.used.enrollment_id).update(eligibility_status="unenrolled")
    return {
        "enrollments.held_seats_agree_with_their_enrollment": [f"seat {world.used.seat_id}"],
        "enrollments.facets_equal_their_last_transition": [f"enrollment {world.used.enrollment_id}"],
    }


@breaks("enrollments.held_seats_agree_with_their_enrollment")
def a_seat_of_another_learner_than_the_enrollment_s(world: World) -> str:
    SeatAssignment.objects.filter(pk=world.used.seat_id).update(learner=world.paid.learner_id)
    return f"seat {world.used.seat_id}"


@breaks("enrollments.one_live_decision_per_enrollment")
def two_live_decisions(world: World) -> str:
    drop_constraint(EnrollmentDecision, "decision_one_live_per_enrollment")
    EnrollmentDecision.objects.filter(pk=world.paid.pk).update(enrollment=world.used.enrollment_id)
    return f"enrollment {world.used.enrollment_id}"


@breaks("enrollments.completed_decisions_are_funded")
def a_completed_decision_without_a_seat(world: World) -> str:
    EnrollmentDecision.objects.filter(pk=world.used.pk).update(seat=None)
    return f"decision {world.used.pk}"


@breaks("enrollments.completed_decisions_are_funded")
def a_completed_decision_with_another_s_seat(world: World) -> str:
    EnrollmentDecision.objects.filter(pk=world.used.pk).update(seat=world.reserved.seat_id)
    return f"decision {world.used.pk}"


@breaks("enrollments.completed_decisions_are_funded")
def a_completed_decision_without_a_payment(world: World) -> str:
    EnrollmentDecision.objects.filter(pk=world.paid.pk).update(payment=None)
    return f"decision {world.paid.pk}"


@breaks("enrollments.waiting_decisions_can_be_paid")
def a_decision_left_waiting_by_an_expired_checkout(world: World) -> str:
    Checkout.objects.filter(pk=world.waiting.checkout_id).update(status="expired")
    return f"decision {world.waiting.pk}"


@breaks("enrollments.waiting_decisions_can_be_paid")
def a_decision_left_waiting_without_a_checkout(world: World) -> Rows:
    EnrollmentDecision.objects.filter(pk=world.waiting.pk).update(checkout=None)
    return {
        "enrollments.waiting_decisions_can_be_paid": [f"decision {world.waiting.pk}"],
        "enrollments.live_checkouts_are_wanted": [f"checkout {world.waiting.checkout_id}"],
    }


@breaks("enrollments.live_checkouts_are_wanted")
def a_checkout_of_a_decision_that_is_over(world: World) -> Rows:
    EnrollmentDecision.objects.filter(pk=world.waiting.pk).update(status="cancelled")
    return {
        "enrollments.live_checkouts_are_wanted": [f"checkout {world.waiting.checkout_id}"],
        "enrollments.decisions_are_published_as_they_are": [f"decision {world.waiting.pk}"],
    }


@breaks("enrollments.payments_have_a_purpose")
def money_that_funds_nothing(world: World) -> Rows:
    Payment.objects.filter(pk=world.payment.pk).update(paid_at=F("paid_at") - dt.timedelta(minutes=6))
    Enrollment.objects.filter(pk=world.paid.enrollment_id).update(eligibility_status="rejected")
    return {
        "enrollments.payments_have_a_purpose": [f"payment {world.payment.pk}"],
        "enrollments.facets_equal_their_last_transition": [f"enrollment {world.paid.enrollment_id}"],
    }


@breaks("enrollments.decisions_agree_with_their_money")
def a_decision_that_outlived_its_money(world: World) -> Rows:
    Payment.objects.filter(pk=world.payment.pk).update(status="refunded", refunded_minor=F("amount_minor"))
    return {
        "enrollments.decisions_agree_with_their_money": [f"decision {world.paid.pk}"],
        "billing.payments_count_their_refunds": [f"payment {world.payment.pk}"],
        "billing.invoices_add_up_to_payments": [f"payment {world.payment.pk}"],
    }


@breaks("enrollments.decisions_agree_with_their_money")
def an_enrollment_that_hides_a_refund(world: World) -> Rows:
    Enrollment.objects.filter(pk=world.paid.enrollment_id).update(payment_status="paid")
    return {
        "enrollments.decisions_agree_with_their_money": [f"enrollment {world.paid.enrollment_id}"],
        "enrollments.facets_equal_their_last_transition": [f"enrollment {world.paid.enrollment_id}"],
    }


@breaks("enrollments.decisions_agree_with_their_money")
def an_enrollment_that_tells_of_no_refund(world: World) -> Rows:
    Payment.objects.filter(pk=world.payment.pk).update(refunded_minor=0, status="paid")
    return {
        "enrollments.decisions_agree_with_their_money": [f"enrollment {world.paid.enrollment_id}"],
        "billing.payments_count_their_refunds": [f"payment {world.payment.pk}"],
        "billing.invoices_add_up_to_payments": [f"payment {world.payment.pk}"],
    }
