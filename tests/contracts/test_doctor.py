"""The doctor: it finds nothing wrong with a sound world, and every invariant that is broken, by name and by row."""

import datetime as dt
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import F

from accounts.tests.factories import GuardianFactory, LearnerFactory, WorkspaceFactory
from billing.checkout import settle_checkout
from billing.models import Checkout, Invoice, InvoiceSeries, Payment, Refund, StripeEvent
from billing.refunds import request_refund, submit_refund
from billing.states import RefundReason
from enrollment_project.core.clock import utc_now
from enrollment_project.doctor import INVARIANTS, examine
from enrollments.lifecycle import unenroll_enrollment
from enrollments.models import (
    DistrictSeatAllocation,
    Enrollment,
    EnrollmentDecision,
    EnrollmentTransition,
    SeatAssignment,
)
from enrollments.states import ReviewMode
from enrollments.tests.factories import STAFF, InstanceFactory, route, seats
from events.models import OutboxEvent
from notifications.models import Notification
from sandbox.testing import SandboxProcess
from tests.constraints import drop_constraint

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

LONG_AGO = dt.timedelta(days=1)


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


@pytest.fixture
def world(stripe: SandboxProcess) -> World:
    automatic = InstanceFactory()
    workspace = automatic.workspace
    reviewed = InstanceFactory(workspace=workspace, is_default=False, review_mode=ReviewMode.MANUAL)
    allocation = seats(workspace, total=5)
    used = route(workspace, email="used@school.test").decision
    reserved = route(workspace, email="reserved@school.test", instance=reviewed).decision
    paid = route(workspace, email="paid@school.test", tenant_id=None, guardian_id="g1").decision
    waiting = route(workspace, email="waiting@school.test", tenant_id=None, guardian_id="g2").decision
    assert paid.checkout is not None
    stripe.pay(paid.checkout.url)
    settle_checkout(checkout_id=paid.checkout.pk)
    paid = EnrollmentDecision.objects.get(pk=paid.pk)
    assert paid.payment_id is not None
    refund = request_refund(payment_id=paid.payment_id, amount_minor=900, reason=RefundReason.REQUESTED, actor=STAFF)
    submit_refund(refund_id=refund.pk)
    return World(allocation, used, reserved, paid, waiting, refund)


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


@pytest.fixture(autouse=True)
def _checks_are_made_again() -> Iterator[None]:
    yield
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA ignore_check_constraints = OFF")


class TestTheDoctor:
    def test_finds_nothing_wrong_with_a_sound_world(self, world: World) -> None:
        assert examine(now=utc_now() + dt.timedelta(minutes=10)) == {}

    def test_has_a_test_for_every_invariant(self) -> None:
        elsewhere = {name for name in INVARIANTS if name.startswith("cohorts.")}  # cohorts/tests/test_invariants.py
        assert {name.partition(":")[0] for name in BREAKS} == set(INVARIANTS) - elsewhere

    @pytest.mark.parametrize("name", BREAKS)
    def test_names_the_invariant_and_the_row(self, world: World, name: str) -> None:
        invariant = name.partition(":")[0]

        row = BREAKS[name](world)

        assert row in [breach.row for breach in examine().get(invariant, [])]

    def test_looks_at_one_workspace_only_if_told_so(self, world: World) -> None:
        other = WorkspaceFactory()
        a_counter_that_lost_a_seat(world)

        found = [examine(workspace_id=workspace) for workspace in (other.pk, world.used.workspace_id)]

        assert found[0] == {}
        assert "enrollments.seat_counters_equal_their_holders" in found[1]

    def test_takes_few_queries_however_many_rows(self, world: World, django_assert_max_num_queries: Any) -> None:
        with django_assert_max_num_queries(2 * len(INVARIANTS) + 30):
            examine()


class TestMoneyWithoutAnEnrollment:
    def test_is_in_order_while_it_goes_back(self, world: World) -> None:
        money_that_funds_nothing(world)

        request_refund(payment_id=world.payment.pk, amount_minor=None, reason=RefundReason.NOT_NEEDED, actor=STAFF)

        assert "enrollments.payments_have_a_purpose" not in examine()

    def test_of_a_learner_who_left_is_a_task_for_staff(self, world: World) -> None:
        unenroll_enrollment(enrollment_id=world.paid.enrollment_id, actor=STAFF, reason="Moved away")

        tasks = world.paid.workspace.staff_tasks.values_list("kind", "subject", "status")

        assert list(tasks) == [("refund_to_decide", f"payment:{world.payment.pk}", "open")]
        assert examine(now=utc_now() + dt.timedelta(minutes=10)) == {}


class TestTheCommand:
    def run(self, *arguments: str) -> tuple[int, str]:
        out = StringIO()
        try:
            call_command("doctor", *arguments, stdout=out)
        except SystemExit as ended:
            return int(str(ended.code)), out.getvalue()
        return 0, out.getvalue()

    def test_ends_well_when_all_is_well(self, world: World) -> None:
        code, text = self.run()

        assert code == 0
        assert text.splitlines()[-1] == f"All {len(INVARIANTS)} invariants hold."

    def test_ends_with_1_and_prints_the_rows_when_something_is_not(self, world: World) -> None:
        a_counter_that_lost_a_seat(world)

        code, text = self.run()

        assert code == 1
        assert "BROKEN  enrollments.seat_counters_equal_their_holders" in text
        assert f"allocation {world.allocation.pk}: counts 1 reserved and 0 used seats; 1 and 1 are held" in text

    def test_prints_json_for_machines(self, world: World) -> None:
        a_first_event_that_is_gone(world)

        code, text = self.run("--json", "--workspace", world.used.workspace.slug)

        report = json.loads(text)
        assert (code, report["healthy"], report["checked"]) == (1, False, list(INVARIANTS))
        assert [breach["row"] for breach in report["breaches"]["events.sequences_have_no_gaps"]] == [
            f"enrollment:{world.used.enrollment.cuid}"
        ]

    def test_refuses_a_workspace_that_does_not_exist(self) -> None:
        with pytest.raises(CommandError, match="no workspace 'nowhere'"):
            call_command("doctor", "--workspace", "nowhere")
