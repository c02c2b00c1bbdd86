"""Breaches of the invariants of seats and decisions, and near misses."""

import datetime as dt

from django.db.models import F

from billing.invoicing import Buyer, issue_invoice
from billing.models import Checkout, Invoice, Payment, Refund
from core.clock import utc_now
from core.local_time import local_date
from enrollments.events import SeatReleased
from enrollments.funding import decision_changed
from enrollments.lifecycle import approve_enrollment
from enrollments.models import DistrictSeatAllocation, Enrollment, EnrollmentDecision, SeatAssignment
from enrollments.states import PURPOSE
from enrollments.tests.factories import STAFF
from events.publishing import publish
from tests.constraints import drop_constraint

from .billing import a_checkout_beside, a_dispute_of, a_payment_beside, a_refund_beside
from .world import Rows, World, a_task_about, breaks, copy, spares

LONG_AGO = utc_now() - dt.timedelta(days=365)
TODAY = utc_now().date()

# --- Seats ------------------------------------------------------------------------------------------------------------


@breaks("enrollments.seat_counters_equal_their_holders")
def a_counter_that_lost_a_seat(world: World) -> str:
    DistrictSeatAllocation.objects.filter(pk=world.allocation.pk).update(used_seats=0)
    return f"seat allocation {world.allocation.pk}"


@breaks("enrollments.seat_counters_equal_their_holders")
def a_seat_released_without_counting(world: World) -> Rows:
    SeatAssignment.objects.filter(pk=world.reserved.seat_id).update(status="released")
    return {
        "enrollments.seat_counters_equal_their_holders": [f"seat allocation {world.allocation.pk}"],
        "enrollments.completed_decisions_are_funded": [f"decision {world.reserved.pk}"],
        "enrollments.seats_are_published_as_they_are": [f"seat holder {world.reserved.seat_id}"],
    }


@breaks("enrollments.no_allocation_is_oversold")
def a_total_below_use(world: World) -> str:
    drop_constraint(DistrictSeatAllocation, "allocation_never_oversold")
    DistrictSeatAllocation.objects.filter(pk=world.allocation.pk).update(total_seats=1)
    return f"seat allocation {world.allocation.pk}"


@breaks("enrollments.no_allocation_is_oversold")
def more_seats_held_than_there_are_and_counted(world: World) -> Rows:
    DistrictSeatAllocation.objects.filter(pk=world.allocation.pk).update(total_seats=1, reserved_seats=0)
    return {
        "enrollments.no_allocation_is_oversold": [f"seat allocation {world.allocation.pk}"],
        "enrollments.seat_counters_equal_their_holders": [f"seat allocation {world.allocation.pk}"],
    }


@breaks("enrollments.no_allocation_is_oversold")
def more_seats_counted_than_there_are_and_held(world: World) -> Rows:
    drop_constraint(DistrictSeatAllocation, "allocation_never_oversold")
    DistrictSeatAllocation.objects.filter(pk=world.allocation.pk).update(total_seats=1)
    rows = a_seat_released_without_counting(world)
    return {**rows, "enrollments.no_allocation_is_oversold": [f"seat allocation {world.allocation.pk}"]}


@spares("enrollments.no_allocation_is_oversold")
def an_allocation_whose_last_seat_is_held(world: World) -> None:
    """The learner who holds it had given one back before."""
    DistrictSeatAllocation.objects.filter(pk=world.allocation.pk).update(total_seats=2)
    a_seat_given_back(world)


@breaks("enrollments.one_held_seat_per_learner_and_allocation")
def a_learner_with_two_seats(world: World) -> Rows:
    drop_constraint(SeatAssignment, "seat_one_held_per_learner")
    SeatAssignment.objects.filter(pk=world.reserved.seat_id).update(learner=world.used.learner_id)
    return {
        "enrollments.one_held_seat_per_learner_and_allocation": [f"seat allocation {world.allocation.pk}"],
        "enrollments.held_seats_agree_with_their_enrollment": [f"seat holder {world.reserved.seat_id}"],
    }


@spares("enrollments.one_held_seat_per_learner_and_allocation")
def a_learner_with_a_seat_of_each_of_two_allocations(world: World) -> None:
    """The learner had given one of the first back before."""
    a_seat_given_back(world)
    other = copy(world.allocation, instance_id=world.reserved.enrollment.instance_id, reserved_seats=1, used_seats=0)
    other.save()
    DistrictSeatAllocation.objects.filter(pk=world.allocation.pk).update(reserved_seats=0)
    learner = world.used.learner_id
    SeatAssignment.objects.filter(pk=world.reserved.seat_id).update(allocation=other, learner=learner)
    Enrollment.objects.filter(pk=world.reserved.enrollment_id).update(learner=learner)
    EnrollmentDecision.objects.filter(pk=world.reserved.pk).update(learner=learner)


@breaks("enrollments.held_seats_agree_with_their_enrollment")
def a_seat_reserved_after_the_approval(world: World) -> Rows:
    Enrollment.objects.filter(pk=world.reserved.enrollment_id).update(eligibility_status="approved")
    return {
        "enrollments.held_seats_agree_with_their_enrollment": [f"seat holder {world.reserved.seat_id}"],
        "enrollments.facets_equal_their_last_transition": [f"enrollment {world.reserved.enrollment_id}"],
    }


@breaks("enrollments.held_seats_agree_with_their_enrollment")
def a_seat_held_after_the_end(world: World) -> Rows:
    Enrollment.objects.filter(pk=world.used.enrollment_id).update(eligibility_status="unenrolled")
    return {
        "enrollments.held_seats_agree_with_their_enrollment": [f"seat holder {world.used.seat_id}"],
        "enrollments.facets_equal_their_last_transition": [f"enrollment {world.used.enrollment_id}"],
    }


@breaks("enrollments.held_seats_agree_with_their_enrollment")
def a_seat_of_another_learner_than_the_enrollment_s(world: World) -> str:
    SeatAssignment.objects.filter(pk=world.used.seat_id).update(learner=world.paid.learner_id)
    return f"seat holder {world.used.seat_id}"


# --- Decisions --------------------------------------------------------------------------------------------------------


@breaks("enrollments.one_live_decision_per_enrollment")
def two_live_decisions(world: World) -> str:
    drop_constraint(EnrollmentDecision, "decision_one_live_per_enrollment")
    EnrollmentDecision.objects.filter(pk=world.waiting.pk).update(enrollment=world.used.enrollment_id)
    return f"enrollment {world.used.enrollment_id}"


@spares("enrollments.one_live_decision_per_enrollment")
def a_live_decision_after_one_that_failed(world: World) -> None:
    a_decision_beside(world.used, status="failed", seat_id=None)


@breaks("enrollments.completed_decisions_are_funded")
def a_completed_decision_without_a_seat(world: World) -> str:
    EnrollmentDecision.objects.filter(pk=world.used.pk).update(seat=None)
    return f"decision {world.used.pk}"


@breaks("enrollments.completed_decisions_are_funded")
def a_completed_decision_with_another_s_seat(world: World) -> str:
    EnrollmentDecision.objects.filter(pk=world.used.pk).update(seat=world.reserved.seat_id)
    return f"decision {world.used.pk}"


@breaks("enrollments.completed_decisions_are_funded")
def a_completed_decision_without_a_payment(world: World) -> Rows:
    EnrollmentDecision.objects.filter(pk=world.paid.pk).update(payment=None)
    return {
        "enrollments.completed_decisions_are_funded": [f"decision {world.paid.pk}"],
        "cohorts.paid_enrollments_have_money_behind_them": [f"enrollment {world.paid.enrollment_id}"],
    }


@breaks("enrollments.completed_decisions_are_funded")
def a_parent_s_decision_with_a_seat(world: World) -> str:
    EnrollmentDecision.objects.filter(pk=world.used.pk).update(provision_source="parent")
    return f"decision {world.used.pk}"


@breaks("enrollments.completed_decisions_are_funded")
def a_district_s_decision_with_a_payment(world: World) -> str:
    EnrollmentDecision.objects.filter(pk=world.paid.pk).update(provision_source="district")
    return f"decision {world.paid.pk}"


@spares("enrollments.waiting_decisions_can_be_paid")
def a_decision_whose_money_is_on_its_way(world: World) -> None:
    Checkout.objects.filter(pk=world.waiting.checkout_id).update(status="processing")


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


@breaks("enrollments.live_checkouts_are_wanted")
def a_checkout_in_processing_of_a_decision_that_is_over(world: World) -> Rows:
    Checkout.objects.filter(pk=world.waiting.checkout_id).update(status="processing")
    return a_checkout_of_a_decision_that_is_over(world)


@breaks("enrollments.live_checkouts_are_wanted")
def a_checkout_for_an_enrollment_that_was_rejected(world: World) -> Rows:
    Enrollment.objects.filter(pk=world.waiting.enrollment_id).update(eligibility_status="rejected")
    return {
        "enrollments.live_checkouts_are_wanted": [f"checkout {world.waiting.checkout_id}"],
        "enrollments.facets_equal_their_last_transition": [f"enrollment {world.waiting.enrollment_id}"],
    }


@breaks("enrollments.live_checkouts_are_wanted")
def a_checkout_of_a_failed_decision_after_which_one_was_completed(world: World) -> Rows:
    move(world.waiting, "fail")
    EnrollmentDecision.objects.filter(pk=world.paid.pk).update(enrollment=world.waiting.enrollment_id)
    return {
        "enrollments.live_checkouts_are_wanted": [f"checkout {world.waiting.checkout_id}"],
        "cohorts.paid_enrollments_have_money_behind_them": [f"enrollment {world.paid.enrollment_id}"],
    }


@breaks("enrollments.live_checkouts_are_wanted")
def a_checkout_of_a_failed_decision_after_which_one_waits(world: World) -> str:
    checkout = a_checkout_beside(world, purpose=PURPOSE, subject="failed")
    a_decision_beside(world.waiting, status="failed", checkout_id=checkout.pk)
    return f"checkout {checkout.pk}"


@spares("enrollments.live_checkouts_are_wanted")
def a_checkout_of_a_failed_decision_that_may_be_taken_up_again(world: World) -> None:
    move(world.waiting, "fail")


@spares("enrollments.live_checkouts_are_wanted")
def a_checkout_for_an_enrollment_that_was_approved_before_it_was_paid(world: World) -> None:
    approve_enrollment(enrollment_id=world.waiting.enrollment_id, actor=STAFF, now=utc_now())


@spares("enrollments.live_checkouts_are_wanted")
def a_checkout_that_stripe_is_asked_to_end(world: World) -> None:
    move(world.waiting, "cancel")
    Checkout.objects.filter(pk=world.waiting.checkout_id).update(cancel_requested_at=utc_now())


# --- Money ------------------------------------------------------------------------------------------------------------


@breaks("enrollments.payments_have_a_purpose")
def money_whose_decision_was_released(world: World) -> str:
    move(world.paid, "release")
    long_since(world)
    return f"payment {world.payment.pk}"


@breaks("enrollments.payments_have_a_purpose")
def money_that_funds_nothing_while_other_money_goes_back(world: World) -> str:
    """The other payment's refund is as large, and a task asks about it."""
    payment = money_for_nothing(world)
    a_task_about(f"refund:{world.refund.pk}", world.refund.payment.workspace)
    return f"payment {payment.pk}"


@breaks("enrollments.payments_have_a_purpose")
def money_whose_refunds_were_called_off(world: World) -> str:
    payment = money_for_nothing(world)
    a_refund_beside(world, payment_id=payment.pk, status="failed")
    a_refund_beside(world, payment_id=payment.pk, status="canceled")
    return f"payment {payment.pk}"


@spares("enrollments.payments_have_a_purpose")
def money_that_funds_nothing_and_goes_back(world: World) -> None:
    a_refund_beside(world, payment_id=money_for_nothing(world).pk, status="requested")


@spares("enrollments.payments_have_a_purpose")
def money_about_which_a_person_is_asked(world: World) -> None:
    payment = money_for_nothing(world)
    a_task_about(f"payment:{payment.pk}", payment.workspace)


@spares("enrollments.payments_have_a_purpose")
def money_about_whose_refund_a_person_is_asked(world: World) -> None:
    refund = a_refund_beside(world, payment_id=money_for_nothing(world).pk, status="failed")
    a_task_about(f"refund:{refund.pk}", refund.payment.workspace)


@spares("enrollments.payments_have_a_purpose")
def money_that_the_bank_took_back(world: World) -> None:
    payment = a_payment_beside(world, paid_at=LONG_AGO, refunded_minor=4900, status="refunded")
    a_dispute_of(payment, "lost", withdrawn_minor=4900)


@spares("enrollments.payments_have_a_purpose")
def money_that_came_a_moment_ago(world: World) -> None:
    Payment.objects.filter(pk=money_for_nothing(world).pk).update(paid_at=utc_now() - dt.timedelta(minutes=4))


@spares("enrollments.payments_have_a_purpose")
def money_for_an_enrollment_that_awaits_review(world: World) -> Rows:
    long_since(world)
    Enrollment.objects.filter(pk=world.paid.enrollment_id).update(eligibility_status="submitted")
    return {"enrollments.facets_equal_their_last_transition": [f"enrollment {world.paid.enrollment_id}"]}


@breaks("enrollments.payments_have_a_purpose")
def money_that_funds_nothing(world: World) -> Rows:
    long_since(world)
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


@spares("enrollments.decisions_agree_with_their_money")
def a_decision_that_was_released_with_its_money(world: World) -> Rows:
    move(world.paid, "release")
    Payment.objects.filter(pk=world.payment.pk).update(status="refunded", refunded_minor=4900)
    Refund.objects.filter(pk=world.refund.pk).update(amount_minor=4900)
    Invoice.objects.filter(payment=world.payment, corrects__isnull=False).update(amount_minor=-4900)
    return {}


# --- Ends -------------------------------------------------------------------------------------------------------------


@breaks("enrollments.ended_enrollments_are_completed")
def a_learner_who_takes_part_in_what_is_over(world: World) -> str:
    Enrollment.objects.filter(pk=world.used.enrollment_id).update(end_date=LONG_AGO)
    return f"enrollment {world.used.enrollment_id}"


@spares("enrollments.ended_enrollments_are_completed")
def a_learner_on_the_last_day(world: World) -> None:
    today = local_date(utc_now(), world.used.workspace.timezone)
    Enrollment.objects.filter(pk=world.used.enrollment_id).update(end_date=today)


# --- Rows in addition to the world's ----------------------------------------------------------------------------------


def long_since(world: World) -> None:
    """The payment came long enough ago to have had its effect."""
    Payment.objects.filter(pk=world.payment.pk).update(paid_at=LONG_AGO)


def money_for_nothing(world: World) -> Payment:
    """Create a payment as large as the world's refund, made long ago for its decision, which another payment funds."""
    payment = a_payment_beside(world, checkout_id=None, amount_minor=900, paid_at=LONG_AGO)
    issue_invoice(payment=payment, buyer=Buyer("parent@home.test"), now=utc_now())
    return payment


def a_seat_given_back(world: World) -> None:
    """Return a seat given back by the learner who holds one now."""
    seat = copy(world.used.seat, status="released")
    seat.save()
    publish(
        SeatReleased(
            workspace_id=world.used.workspace_id,
            occurred_at=utc_now(),
            seat_id=seat.pk,
            allocation_id=seat.allocation_id,
            enrollment_cuid=world.used.enrollment.cuid,
        )
    )


def a_decision_beside(decision: EnrollmentDecision, **changes: object) -> EnrollmentDecision:
    """Create another decision about the same enrollment, published as it is."""
    other: EnrollmentDecision = copy(decision, **changes)
    other.save()
    publish(decision_changed(other, utc_now()))
    return other


def move(decision: EnrollmentDecision, transition: str) -> None:
    """Move the enrollment by one of its transitions, and publish the event."""
    getattr(decision, transition)()
    publish(decision_changed(decision, utc_now()))
