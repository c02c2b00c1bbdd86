"""A workspace in which anything may happen next: learners, staff, families, and Stripe act in any order that Hypothesis
chooses. Each step has to lock in the order of docs/concurrency.md, and after it the doctor examines everything.

Nothing goes over the network: Stripe's answers are given. A use case may refuse; any other exception is a fault,
including a refused row. Each run is rolled back as a whole.
"""

import datetime as dt
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

from django.db import connection, models, transaction
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from accounts.models import Learner
from accounts.tests.factories import LearnerFactory
from billing.checkout import record_session
from billing.disputes import record_dispute
from billing.gateways.contract import DisputeSnapshot, RefundSnapshot
from billing.models import Checkout, Payment, Refund
from billing.offline import Proof, reverse_offline_payment
from billing.refunds import record_refunds, request_refund
from billing.states import OfflineMeans, RefundReason
from billing.tests.factories import VoucherFactory, session_of
from cohorts.learning.booking import Selection, book_sessions, cancel_booking
from cohorts.models import CohortSession, StepProgress, StudentPackage
from cohorts.tests.factories import cohort_with, reserve
from core.clock import utc_now
from core.errors import DomainError
from enrollments.allocations.holders import release_holder, transfer_seat
from enrollments.allocations.idle.asking import FAMILY, keep_seat
from enrollments.allocations.idle.reclaiming import reclaim_seat
from enrollments.lifecycle import approve_enrollment, reconsider_enrollment, reject_enrollment, unenroll_enrollment
from enrollments.models import Enrollment, HeldReview, IdleSeat, SeatAssignment
from enrollments.offline import pay_offline
from enrollments.review.held import carry_out_due_reviews, hold_review, undo_review
from enrollments.seats import update_allocation
from enrollments.states import HELD_SEATS, EligibilityStatus, ReviewMode
from enrollments.tests.factories import STAFF, InstanceFactory, route, seats
from operations.doctor import examine
from tests.lock_order import recorded_locks

LEARNERS = 4
nth = st.integers(0, 3)  # which of the existing rows, the newest first
learner = st.integers(1, LEARNERS)
code = st.sampled_from(["", "SPRING-25"])


class AnyOrder(RuleBasedStateMachine):
    """Two seats and one more of another allocation, a course with two places and one seat in each class, and a voucher
    for two uses: enough for four learners to reach every limit.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = utc_now()
        self.run = transaction.atomic()
        self.run.__enter__()
        # The API would ask Stripe here once its transaction is committed, which never happens.
        self.stripe = patch("enrollments.routing.route.submit_checkout", _checkout)
        self.stripe.start()

    @initialize(mode=st.sampled_from([ReviewMode.MANUAL, ReviewMode.AUTOMATIC]))
    def found(self, mode: ReviewMode) -> None:
        self.instance = InstanceFactory(review_mode=mode)
        self.workspace = self.instance.workspace
        self.allocation = seats(self.workspace, total=2)
        self.other = seats(self.workspace, total=1, instance_id=self.instance.pk)
        self.cohort = cohort_with(
            options=(1, 2), seats=1, max_enrollment=2, instance__workspace=self.workspace, instance__is_default=False
        )
        VoucherFactory(workspace=self.workspace, code="SPRING-25", most_uses=2)
        self.students = [LearnerFactory(workspace=self.workspace) for _ in range(LEARNERS)]

    def teardown(self) -> None:
        self.stripe.stop()
        transaction.set_rollback(True)
        self.run.__exit__(None, None, None)

    @invariant()
    def the_doctor_finds_nothing(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        found = examine(now=self.now)
        assert found == {}, found

    # --- Seats --------------------------------------------------------------------------------------------------------

    @rule(who=learner)
    def ask_for_a_seat(self, who: int) -> None:
        self.attempt(route, self.workspace, email=f"l{who}@school.test", first_name=f"L{who}")

    @rule(who=learner, voucher=code, with_seat=st.booleans())
    def ask_a_parent(self, who: int, voucher: str, with_seat: bool) -> None:
        tenant = 1 if with_seat else None
        asked: dict[str, Any] = {"email": f"l{who}@school.test", "first_name": f"L{who}", "voucher": voucher}
        self.attempt(route, self.workspace, tenant_id=tenant, guardian_id=f"guardian_{who}", **asked)

    @rule(which=nth, to_other=st.booleans())
    def transfer_a_seat(self, which: int, to_other: bool) -> None:
        for seat in self.pick(SeatAssignment.objects.filter(status__in=HELD_SEATS), which):
            target = self.other if to_other else self.allocation
            self.attempt(transfer_seat, seat_id=seat.pk, allocation_id=target.pk)

    @rule(which=nth)
    def release_a_seat(self, which: int) -> None:
        for seat in self.pick(SeatAssignment.objects.filter(status__in=HELD_SEATS), which):
            self.attempt(release_holder, seat_id=seat.pk, actor=STAFF, reason="Moved away")

    @rule(total=st.integers(1, 3))
    def resize_an_allocation(self, total: int) -> None:
        self.attempt(update_allocation, allocation_id=self.allocation.pk, total_seats=total, actor=STAFF)

    @rule(which=nth, is_kept=st.booleans())
    def ask_about_an_idle_seat(self, which: int, is_kept: bool) -> None:
        asked_about = IdleSeat.objects.filter(status="asked").values("seat")
        for seat in self.pick(SeatAssignment.objects.filter(status="used").exclude(pk__in=asked_about), which):
            idle = IdleSeat.objects.create(seat=seat, idle_since=self.now, asked_at=self.now, due_at=self.now)
            if is_kept:
                self.attempt(keep_seat, idle_seat_id=idle.pk, actor=FAMILY)
            self.attempt(reclaim_seat, idle_seat_id=idle.pk, actor=STAFF)

    # --- Reviews ------------------------------------------------------------------------------------------------------

    @rule(which=nth, is_approved=st.booleans())
    def review(self, which: int, is_approved: bool) -> None:
        for enrollment in self.pick(Enrollment.objects.all(), which):
            answer = approve_enrollment if is_approved else reject_enrollment
            self.attempt(answer, enrollment_id=enrollment.pk, actor=STAFF, reason="As the rules say")

    @rule(which=nth, outcome=st.sampled_from([EligibilityStatus.APPROVED, EligibilityStatus.REJECTED]))
    def hold_an_answer(self, which: int, outcome: EligibilityStatus) -> None:
        for enrollment in self.pick(Enrollment.objects.all(), which):
            self.attempt(hold_review, enrollment_id=enrollment.pk, outcome=outcome, actor=STAFF, reason="So")

    @rule(which=nth)
    def undo_an_answer(self, which: int) -> None:
        for held in self.pick(HeldReview.objects.all(), which):
            self.attempt(undo_review, held_review_id=held.pk, actor=STAFF)

    @rule()
    def carry_answers_out(self) -> None:
        self.now += dt.timedelta(seconds=11)
        self.attempt(carry_out_due_reviews)

    @rule(which=nth, is_again=st.booleans())
    def end_or_reconsider(self, which: int, is_again: bool) -> None:
        for enrollment in self.pick(Enrollment.objects.all(), which):
            change = reconsider_enrollment if is_again else unenroll_enrollment
            self.attempt(change, enrollment_id=enrollment.pk, actor=STAFF, reason="Asked to")

    # --- Money --------------------------------------------------------------------------------------------------------

    @rule(which=nth, outcome=st.sampled_from(["paid", "paid", "expired", "processing", "failed"]))
    def hear_of_a_checkout(self, which: int, outcome: str) -> None:
        for checkout in self.pick(Checkout.objects.all(), which):
            told: dict[str, Any] = {
                "paid": {},
                "expired": {"status": "expired", "payment_status": "unpaid", "payment_intent_id": ""},
                "processing": {"payment_status": "unpaid", "payment_intent_status": "processing"},
                "failed": {"payment_status": "unpaid", "payment_intent_status": "requires_payment_method"},
            }[outcome]
            if checkout.status not in ("open", "processing") and outcome != "paid":
                continue  # Stripe does not take back what it has said
            Checkout.objects.filter(pk=checkout.pk).update(stripe_session_id=f"cs_rows_{checkout.pk}")
            self.attempt(record_session, checkout_id=checkout.pk, session=session_of(checkout, **told))

    @rule(which=nth, amount=st.sampled_from([None, 100, 4900]))
    def ask_for_a_refund(self, which: int, amount: int | None) -> None:
        for payment in self.pick(Payment.objects.filter(method="stripe"), which):
            asked = {"amount_minor": amount, "reason": RefundReason.REQUESTED, "actor": STAFF}
            self.attempt(request_refund, payment_id=payment.pk, **asked)

    @rule(which=nth, status=st.sampled_from(["succeeded", "succeeded", "pending", "failed"]))
    def hear_of_a_refund(self, which: int, status: str) -> None:
        for refund in self.pick(Refund.objects.filter(payment__method="stripe"), which):
            told = RefundSnapshot(
                id=f"re_rows_{refund.pk}",
                reference=refund.reference,
                payment_intent_id=str(refund.payment.payment_intent_id),
                amount_minor=refund.amount_minor,
                status=status,
                failure_reason="",
                created_at=self.now,
            )
            self.attempt(record_refunds, payment_id=refund.payment_id, refunds=[told])

    @rule(which=nth, status=st.sampled_from(["needs_response", "won", "lost"]))
    def hear_of_a_dispute(self, which: int, status: str) -> None:
        for payment in self.pick(Payment.objects.filter(method="stripe", status__in=["paid", "disputed"]), which):
            if payment.refunded_minor:
                continue  # the bank disputes the rest; Stripe would say how much
            told = DisputeSnapshot(
                id=f"dp_rows_{payment.pk}",
                payment_intent_id=str(payment.payment_intent_id),
                amount_minor=payment.amount_minor,
                reason="fraudulent",
                status=status,
                created_at=self.now,
            )
            self.attempt(record_dispute, payment_id=payment.pk, snapshot=told)

    @rule(which=nth)
    def pay_in_cash(self, which: int) -> None:
        live = Checkout.objects.filter(status__in=["open", "processing"])
        for enrollment in [] if live.exists() else self.pick(Enrollment.objects.all(), which):
            self.attempt(pay_offline, enrollment_id=enrollment.pk, proof=Proof(OfflineMeans.CASH, STAFF))

    @rule(which=nth, is_returned=st.booleans())
    def reverse_cash(self, which: int, is_returned: bool) -> None:
        for payment in self.pick(Payment.objects.filter(method="offline"), which):
            said: dict[str, Any] = {"is_returned": is_returned, "note": "Bounced", "actor": STAFF}
            self.attempt(reverse_offline_payment, payment_id=payment.pk, **said)

    # --- Places and classes -------------------------------------------------------------------------------------------

    @rule(who=learner, voucher=code)
    def hold_a_place(self, who: int, voucher: str) -> None:
        student: Learner = self.students[who - 1]
        with self.refusals():
            reserve(self.cohort, student, voucher=voucher)

    @rule(which=nth, option=nth)
    def book(self, which: int, option: int) -> None:
        for package in self.pick(StudentPackage.objects.all(), which):
            for offered in self.pick(CohortSession.objects.filter(cohort=self.cohort), option):
                chosen = Selection(offered.step_id, offered.option_id)
                self.attempt(book_sessions, package_id=package.pk, selections=[chosen])

    @rule(which=nth)
    def cancel_a_booking(self, which: int) -> None:
        for row in self.pick(StepProgress.objects.filter(status="BOOKED"), which):
            self.attempt(cancel_booking, package_id=row.package_id, step_id=row.step_id)

    # --- Helpers ----------------------------------------------------------------------------------------------------

    def pick(self, rows: "models.QuerySet[Any]", which: int) -> list[Any]:
        """Return the row with this number, the newest first, or the oldest; None if there is none."""
        found = list(rows.order_by("-pk")[: which + 1])
        return found[-1:]

    def attempt(self, use_case: Callable[..., Any], *subject: Any, **arguments: Any) -> None:
        """A second later, do it or be refused: a refusal must leave nothing behind."""
        self.now += dt.timedelta(seconds=1)
        with self.refusals():
            use_case(*subject, **arguments, now=self.now)

    @staticmethod
    def refusals() -> "_Refusals":
        return _Refusals()


class _Refusals:
    """A savepoint that is rolled back by a DomainError, which it swallows. The transactions inside keep the order of
    locks.
    """

    def __enter__(self) -> None:
        self.savepoint = transaction.atomic()
        self.savepoint.__enter__()
        self.recording = recorded_locks()
        self.recorder = self.recording.__enter__()

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        self.recording.__exit__(None, None, None)
        self.savepoint.__exit__(kind, error, trace)
        out_of_order = self.recorder.out_of_order()
        assert out_of_order == [], out_of_order
        return isinstance(error, DomainError)


def _checkout(*, checkout_id: int, now: dt.datetime) -> Checkout:
    return Checkout.objects.get(pk=checkout_id)
