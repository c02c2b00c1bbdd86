"""Every way to break an invariant, for the doctor to find: what each does, and the row that must be named."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db.models import F

from accounts.guardian_invitations import invite_guardian
from accounts.merging import merge_learners
from accounts.models import Guardian, GuardianInvitation, Guardianship, Learner, LearnerMerge
from accounts.tests.factories import GuardianFactory, LearnerFactory, UserFactory, WorkspaceFactory
from billing.models import Checkout, Invoice, InvoiceSeries, Payment, Refund, StripeEvent
from core.actors import SYSTEM
from core.clock import utc_now
from enrollments.models import (
    DistrictSeatAllocation,
    Enrollment,
    EnrollmentDecision,
    EnrollmentTransition,
    SeatAssignment,
)
from enrollments.tests.factories import seats
from events.models import OutboxEvent
from notifications.models import Notification
from tests.constraints import drop_constraint


@dataclass(frozen=True)
class World:
    """One enrollment of each kind, all sound: a used seat, a reserved one, a payment partly refunded, one awaited."""

    allocation: DistrictSeatAllocation
    used: EnrollmentDecision
    reserved: EnrollmentDecision
    paid: EnrollmentDecision
    waiting: EnrollmentDecision
    refund: Refund

    @property
    def payment(self) -> Payment:
        assert self.paid.payment is not None
        return self.paid.payment


Break = Callable[[World], str]
BREAKS: dict[str, Break] = {}


def breaks(invariant: str) -> Callable[[Break], Break]:
    """Register a way to break this invariant; it returns the row that the doctor must name."""

    def register(function: Break) -> Break:
        BREAKS[f"{invariant}: {function.__name__}"] = function
        return function

    return register


@breaks("accounts.foreign_keys_stay_in_their_workspace")
def a_decision_about_a_foreign_learner(world: World) -> str:
    EnrollmentDecision.objects.filter(pk=world.used.pk).update(learner=LearnerFactory())
    return f"enrollment decision {world.used.pk}"


@breaks("accounts.foreign_keys_stay_in_their_workspace")
def a_decision_with_a_foreign_guardian(world: World) -> str:
    EnrollmentDecision.objects.filter(pk=world.paid.pk).update(guardian=GuardianFactory())
    return f"enrollment decision {world.paid.pk}"


@breaks("accounts.foreign_keys_stay_in_their_workspace")
def a_seat_of_a_foreign_allocation(world: World) -> str:
    SeatAssignment.objects.filter(pk=world.used.seat_id).update(allocation=seats(WorkspaceFactory(), total=1))
    return f"seat assignment {world.used.seat_id}"


@breaks("accounts.foreign_keys_stay_in_their_workspace")
def a_checkout_of_a_foreign_workspace(world: World) -> str:
    Checkout.objects.filter(pk=world.waiting.checkout_id).update(workspace=WorkspaceFactory())
    return f"enrollment decision {world.waiting.pk}"


@breaks("accounts.no_task_asks_for_an_address_that_is_there")
def a_guardian_whose_address_came_by_the_back_door(world: World) -> str:
    Guardian.objects.filter(pk=world.paid.guardian_id).update(email="parent@home.test")
    return f"guardian {world.paid.guardian_id}"


@breaks("accounts.unanswered_invitations_are_told")
def an_invitation_that_nobody_looked_after(world: World) -> str:
    long_ago = utc_now() - dt.timedelta(days=8)
    invitation, _ = invite_guardian(
        guardian_id=world.paid.guardian_id, email="parent@home.test", invited_by=None, now=long_ago
    )
    return f"guardian invitation {invitation.pk}"


@breaks("accounts.foreign_keys_stay_in_their_workspace")
def an_invitation_of_a_foreign_guardian(world: World) -> str:
    invitation, _ = invite_guardian(
        guardian_id=world.paid.guardian_id, email="parent@home.test", invited_by=None, now=utc_now()
    )
    GuardianInvitation.objects.filter(pk=invitation.pk).update(guardian=GuardianFactory())
    return f"guardian invitation {invitation.pk}"


@breaks("accounts.nothing_belongs_to_a_merged_learner")
def a_seat_of_a_merged_learner(world: World) -> str:
    SeatAssignment.objects.filter(pk=world.used.seat_id).update(learner=merged_learner(world))
    return f"seat assignment {world.used.seat_id}"


@breaks("accounts.nothing_belongs_to_a_merged_learner")
def a_guardian_of_a_merged_learner(world: World) -> str:
    guardianship = Guardianship.objects.create(guardian_id=world.paid.guardian_id, learner=merged_learner(world))
    return f"guardianship {guardianship.pk}"


@breaks("accounts.nothing_belongs_to_a_merged_learner")
def an_account_of_a_merged_learner(world: World) -> str:
    merged = merged_learner(world)
    Learner.objects.filter(pk=merged.pk).update(user=UserFactory())
    return f"learner {merged.pk}"


@breaks("accounts.merged_learners_lead_to_a_live_one")
def a_learner_merged_into_a_merged_one(world: World) -> str:
    first, second = merged_learner(world), merged_learner(world)
    Learner.objects.filter(pk=first.pk).update(merged_into=second)
    return f"learner {first.pk}"


@breaks("accounts.merged_learners_lead_to_a_live_one")
def a_merge_without_a_record(world: World) -> str:
    merged = merged_learner(world)
    LearnerMerge.objects.all().delete()
    return f"learner {merged.pk}"


@breaks("accounts.merged_learners_lead_to_a_live_one")
def a_record_of_a_merge_that_is_undone(world: World) -> str:
    merged = merged_learner(world)
    Learner.objects.filter(pk=merged.pk).update(merged_into=None)
    return f"learner merge {LearnerMerge.objects.get().pk}"


def merged_learner(world: World) -> Learner:
    workspace = world.used.workspace
    keep, drop = LearnerFactory(workspace=workspace), LearnerFactory(workspace=workspace)
    merge_learners(keep_id=keep.pk, drop_id=drop.pk, actor=SYSTEM, reason="Entered twice", now=utc_now())
    merged: Learner = Learner.objects.get(pk=drop.pk)
    return merged


@breaks("events.sequences_have_no_gaps")
def an_event_that_is_gone(world: World) -> str:
    aggregate = f"enrollment:{world.used.enrollment.cuid}"
    OutboxEvent.objects.filter(aggregate=aggregate, sequence=2).delete()
    return aggregate


@breaks("events.sequences_have_no_gaps")
def a_first_event_that_is_gone(world: World) -> str:
    aggregate = f"enrollment:{world.used.enrollment.cuid}"
    OutboxEvent.objects.filter(aggregate=aggregate, sequence=1).delete()
    return aggregate


@breaks("billing.payments_are_what_was_asked")
def more_than_was_asked(world: World) -> str:
    Payment.objects.filter(pk=world.payment.pk).update(amount_minor=5000)
    return f"payment {world.payment.pk}"


@breaks("billing.payments_are_what_was_asked")
def another_currency(world: World) -> str:
    Payment.objects.filter(pk=world.payment.pk).update(currency="eur")
    return f"payment {world.payment.pk}"


@breaks("billing.payments_are_what_was_asked")
def two_payments_for_one_checkout(world: World) -> str:
    Payment.objects.bulk_create([copy(world.payment, payment_intent_id="pi_second", refunded_minor=0, status="paid")])
    return f"checkout {world.paid.checkout_id}"


@breaks("billing.refunds_fit_their_payment")
def a_refund_of_more_than_was_paid(world: World) -> str:
    Refund.objects.bulk_create([copy(world.refund, stripe_refund_id=None, amount_minor=4001, status="requested")])
    return f"payment {world.payment.pk}"


@breaks("billing.payments_count_their_refunds")
def a_refund_that_was_not_counted(world: World) -> str:
    Refund.objects.filter(pk=world.refund.pk).update(amount_minor=1000)
    return f"payment {world.payment.pk}"


@breaks("billing.payments_count_their_refunds")
def a_payment_said_to_be_refunded_in_full(world: World) -> str:
    Payment.objects.filter(pk=world.payment.pk).update(status="refunded")
    return f"payment {world.payment.pk}"


@breaks("billing.checkouts_agree_with_their_payments")
def a_paid_checkout_without_a_payment(world: World) -> str:
    Checkout.objects.filter(pk=world.waiting.checkout_id).update(status="paid")
    return f"checkout {world.waiting.checkout_id}"


@breaks("billing.checkouts_agree_with_their_payments")
def an_expired_checkout_with_a_payment(world: World) -> str:
    Checkout.objects.filter(pk=world.paid.checkout_id).update(status="expired")
    return f"checkout {world.paid.checkout_id}"


@breaks("billing.invoices_add_up_to_payments")
def a_payment_without_an_invoice(world: World) -> str:
    Invoice.objects.filter(payment=world.payment, corrects__isnull=False).delete()
    Invoice.objects.filter(payment=world.payment).delete()
    return f"payment {world.payment.pk}"


@breaks("billing.invoices_add_up_to_payments")
def a_refund_without_a_correction(world: World) -> str:
    Invoice.objects.filter(payment=world.payment, corrects__isnull=False).delete()
    return f"payment {world.payment.pk}"


@breaks("billing.invoice_numbers_have_no_gaps")
def an_invoice_that_is_gone(world: World) -> str:
    Invoice.objects.filter(payment=world.payment, corrects__isnull=False).delete()
    return f"invoice series {InvoiceSeries.objects.get(workspace=world.payment.workspace).pk}"


@breaks("billing.invoice_numbers_have_no_gaps")
def a_number_that_was_skipped(world: World) -> str:
    number = Invoice.objects.get(payment=world.payment, corrects__isnull=False).number
    Invoice.objects.filter(number=number).update(number=f"{number[:-1]}9")
    return f"invoice series {InvoiceSeries.objects.get(workspace=world.payment.workspace).pk}"


@breaks("billing.one_live_checkout_per_subject")
def two_live_checkouts(world: World) -> str:
    drop_constraint(Checkout, "checkout_one_live_per_subject")
    Checkout.objects.bulk_create([copy(world.waiting.checkout, stripe_session_id="cs_second")])
    return f"enrollment_decision {world.waiting.pk}"


@breaks("billing.live_checkouts_are_asked_about")
def a_checkout_past_its_time_with_no_sweep_due(world: World) -> str:
    now = utc_now()
    Checkout.objects.filter(pk=world.waiting.checkout_id).update(
        expires_at=now - dt.timedelta(hours=1), next_check_at=now + dt.timedelta(hours=3)
    )
    return f"checkout {world.waiting.checkout_id}"


@breaks("billing.live_checkouts_are_asked_about")
def a_checkout_no_sweep_asks_about(world: World) -> str:
    Checkout.objects.filter(pk=world.waiting.checkout_id).update(next_check_at=utc_now() - dt.timedelta(minutes=16))
    return f"checkout {world.waiting.checkout_id}"


@breaks("billing.open_refunds_are_pursued")
def a_refund_nobody_submits(world: World) -> str:
    Refund.objects.filter(pk=world.refund.pk).update(
        status="requested", next_attempt_at=utc_now() - dt.timedelta(minutes=16)
    )
    return f"refund {world.refund.pk}"


@breaks("billing.the_inbox_is_handled")
def an_event_nobody_handles(world: World) -> str:
    event = StripeEvent.objects.create(
        event_id="evt_1",
        type="checkout.session.completed",
        payload={},
        stripe_created_at=utc_now(),
        received_at=utc_now() - dt.timedelta(minutes=16),
    )
    return f"stripe event {event.pk}"


@breaks("enrollments.seat_counters_equal_their_holders")
def a_counter_that_lost_a_seat(world: World) -> str:
    DistrictSeatAllocation.objects.filter(pk=world.allocation.pk).update(used_seats=0)
    return f"allocation {world.allocation.pk}"


@breaks("enrollments.seat_counters_equal_their_holders")
def a_seat_released_without_counting(world: World) -> str:
    SeatAssignment.objects.filter(pk=world.reserved.seat_id).update(status="released")
    return f"allocation {world.allocation.pk}"


@breaks("enrollments.no_allocation_is_oversold")
def a_total_below_use(world: World) -> str:
    drop_constraint(DistrictSeatAllocation, "allocation_never_oversold")
    DistrictSeatAllocation.objects.filter(pk=world.allocation.pk).update(total_seats=1)
    return f"allocation {world.allocation.pk}"


@breaks("enrollments.one_held_seat_per_learner_and_allocation")
def a_learner_with_two_seats(world: World) -> str:
    drop_constraint(SeatAssignment, "seat_one_held_per_learner")
    SeatAssignment.objects.filter(pk=world.reserved.seat_id).update(learner=world.used.learner_id)
    return f"allocation {world.allocation.pk}"


@breaks("enrollments.held_seats_agree_with_their_enrollment")
def a_seat_held_after_the_end(world: World) -> str:
    Enrollment.objects.filter(pk=world.used.enrollment_id).update(eligibility_status="unenrolled")
    return f"seat {world.used.seat_id}"


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
def a_decision_left_waiting_without_a_checkout(world: World) -> str:
    EnrollmentDecision.objects.filter(pk=world.waiting.pk).update(checkout=None)
    return f"decision {world.waiting.pk}"


@breaks("enrollments.live_checkouts_are_wanted")
def a_checkout_of_a_decision_that_is_over(world: World) -> str:
    EnrollmentDecision.objects.filter(pk=world.waiting.pk).update(status="cancelled")
    return f"checkout {world.waiting.checkout_id}"


@breaks("enrollments.payments_have_a_purpose")
def money_that_funds_nothing(world: World) -> str:
    Payment.objects.filter(pk=world.payment.pk).update(paid_at=F("paid_at") - dt.timedelta(minutes=6))
    Enrollment.objects.filter(pk=world.paid.enrollment_id).update(eligibility_status="rejected")
    return f"payment {world.payment.pk}"


@breaks("enrollments.decisions_agree_with_their_money")
def a_decision_that_outlived_its_money(world: World) -> str:
    Payment.objects.filter(pk=world.payment.pk).update(status="refunded", refunded_minor=F("amount_minor"))
    return f"decision {world.paid.pk}"


@breaks("enrollments.facets_equal_their_last_transition")
def a_state_changed_behind_its_history(world: World) -> str:
    Enrollment.objects.filter(pk=world.waiting.enrollment_id).update(payment_status="paid")
    return f"enrollment {world.waiting.enrollment_id}"


@breaks("enrollments.facets_equal_their_last_transition")
def a_state_without_any_history(world: World) -> str:
    Enrollment.objects.filter(pk=world.used.enrollment_id).update(payment_status="pending")
    return f"enrollment {world.used.enrollment_id}"


@breaks("enrollments.transitions_have_no_gaps")
def a_transition_that_is_gone(world: World) -> str:
    EnrollmentTransition.objects.filter(enrollment=world.used.enrollment_id, number=2).delete()
    return f"enrollment {world.used.enrollment_id}"


@breaks("enrollments.transitions_form_a_chain")
def a_transition_from_elsewhere(world: World) -> str:
    transition = EnrollmentTransition.objects.get(enrollment=world.used.enrollment_id, number=3)
    EnrollmentTransition.objects.filter(pk=transition.pk).update(from_status="candidate")
    return f"transition {transition.pk}"


@breaks("enrollments.transitions_form_a_chain")
def a_first_transition_from_elsewhere(world: World) -> str:
    transition = EnrollmentTransition.objects.get(enrollment=world.used.enrollment_id, number=1)
    EnrollmentTransition.objects.filter(pk=transition.pk).update(from_status="rejected")
    return f"transition {transition.pk}"


@breaks("enrollments.transitions_follow_the_machine")
def an_edge_that_does_not_exist(world: World) -> str:
    transition = EnrollmentTransition.objects.get(enrollment=world.used.enrollment_id, number=2)
    EnrollmentTransition.objects.filter(pk=transition.pk).update(to_status="approved")
    return f"transition {transition.pk}"


@breaks("enrollments.transitions_have_their_event")
def a_change_nobody_was_told(world: World) -> str:
    transition = EnrollmentTransition.objects.get(enrollment=world.used.enrollment_id, number=4)
    OutboxEvent.objects.filter(aggregate=f"enrollment:{world.used.enrollment.cuid}", payload__number=4).delete()
    return f"transition {transition.pk}"


@breaks("enrollments.decisions_are_published_as_they_are")
def a_decision_changed_in_silence(world: World) -> str:
    EnrollmentDecision.objects.filter(pk=world.used.pk).update(status="released")
    return f"decision {world.used.pk}"


@breaks("enrollments.decisions_are_published_as_they_are")
def a_decision_made_in_silence(world: World) -> str:
    OutboxEvent.objects.filter(aggregate=f"decision:{world.used.pk}").delete()
    return f"decision {world.used.pk}"


@breaks("enrollments.seats_are_published_as_they_are")
def a_seat_used_in_silence(world: World) -> str:
    SeatAssignment.objects.filter(pk=world.reserved.seat_id).update(status="used")
    return f"seat {world.reserved.seat_id}"


@breaks("notifications.pending_notifications_are_pursued")
def an_email_nobody_sends(world: World) -> str:
    overdue = utc_now() - dt.timedelta(minutes=16)
    notification = Notification.objects.create(
        workspace=world.paid.workspace, kind="news", recipient="parent@example.test", next_attempt_at=overdue
    )
    return f"notification {notification.pk}"


def copy(row: Any, **changes: Any) -> Any:
    """The same row once more, unsaved; states included."""
    values = {
        field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields if field.attname != "id"
    }
    return type(row)(**{**values, **changes})
