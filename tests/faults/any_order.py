"""A workspace in which anything may happen next: learners, staff, families, and Stripe act in any order that Hypothesis
chooses. Each step has to lock in the order of docs/concurrency.md. After it the doctor examines what it has changed,
and at the end everything.

Nothing goes over the network: Stripe's answers are given. A use case may refuse; any other exception is a fault,
including a refused row. Each run is rolled back as a whole.
"""

import datetime as dt
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, ClassVar
from unittest.mock import patch

from django.db import connection, models, transaction
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from accounts.models import Learner
from accounts.tests.factories import LearnerFactory
from billing.checkout import record_session
from billing.disputes import record_dispute
from billing.gateways.contract import DisputeSnapshot, RefundSnapshot
from billing.models import Checkout, Payment, Refund
from billing.offline import Proof, reverse_offline_payment
from billing.refunds import record_refunds, request_refund
from billing.states import LIVE_CHECKOUTS, OfflineMeans, RefundReason
from billing.tests.factories import VoucherFactory, session_of
from cohorts.learning.booking import Selection, book_sessions, cancel_booking
from cohorts.models import CohortSession, StepProgress, StudentPackage
from cohorts.tests.factories import cohort_with, reserve
from core.clock import utc_now
from core.errors import DomainError
from enrollments.allocations.holders import release_holder, transfer_seat
from enrollments.allocations.idle.asking import FAMILY, keep_seat
from enrollments.allocations.idle.reclaiming import reclaim_seat
from enrollments.eligibility.criteria import CriterionDraft, change_criteria
from enrollments.lifecycle import approve_enrollment, reconsider_enrollment, reject_enrollment, unenroll_enrollment
from enrollments.models import Enrollment, HeldReview, IdleSeat, SeatAssignment
from enrollments.offline import pay_offline
from enrollments.review.held import carry_out_due_reviews, hold_review, undo_review
from enrollments.seats import update_allocation
from enrollments.states import HELD_SEATS, UNPAID, EligibilityStatus, ReviewMode
from enrollments.tests.factories import STAFF, InstanceFactory, route, seats
from operations.doctor import examine
from tests.lock_order import recorded_locks

from .examining import StepwiseDoctor

LEARNERS = 4
nth = st.integers(0, 3)  # which of the existing rows, the newest first
learner = st.integers(1, LEARNERS)
code = st.sampled_from(["", "SPRING-25"])


SEATS = SeatAssignment.objects.filter(status__in=HELD_SEATS)
NOT_ASKED_ABOUT = SeatAssignment.objects.filter(status="used").exclude(idle_seats__status="asked")
ENROLLMENTS = Enrollment.objects.all()
REFUSED = Enrollment.objects.filter(eligibility_status__in=["ineligible", "rejected"])
UNPAID_ENROLLMENTS = Enrollment.objects.filter(payment_status__in=UNPAID)
HELD = HeldReview.objects.filter(status="held")
CHECKOUTS = Checkout.objects.all()
PAID_BY_STRIPE = Payment.objects.filter(method="stripe", status__in=["paid", "partially_refunded"])
# The bank disputes what has not been refunded; Stripe would say how much that is.
DISPUTABLE = Payment.objects.filter(method="stripe", status__in=["paid", "disputed"], refunded_minor=0)
PAID_IN_CASH = Payment.objects.filter(method="offline")
REFUNDS = Refund.objects.filter(payment__method="stripe")
PACKAGES = StudentPackage.objects.all()
BOOKED = StepProgress.objects.filter(status="BOOKED")

EXPIRED = {"status": "expired", "payment_status": "unpaid", "payment_intent_id": ""}
NOT_THE_SECOND = CriterionDraft("Not the second", "email != 'l2@school.test'", "The second learner has to wait")


def there_are(rows: "models.QuerySet[Any]") -> Callable[["AnyOrder"], bool]:
    """Return the condition of a step that needs such a row."""
    return lambda machine: rows.all().exists()


def pick(rows: "models.QuerySet[Any]", which: int) -> Any:
    """Return the row with this number, the newest first, or the oldest if there are fewer."""
    return list(rows.order_by("-pk")[: which + 1])[-1]


class AnyOrder(RuleBasedStateMachine):
    """Two seats and one more of another allocation, a course with two places and one seat in each class, and a voucher
    for two uses: enough for four learners to reach every limit. If it `is_busy`, all of them have begun something.
    `carried_out` counts the use cases that were not refused, over all runs in this process.
    """

    carried_out: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.now = utc_now()
        self.run = transaction.atomic()
        self.run.__enter__()
        self.stripe = ExitStack()
        # The API would ask Stripe here once its transaction is committed, which never happens.
        self.stripe.enter_context(patch("enrollments.routing.route.submit_checkout", _checkout))
        self.stripe.enter_context(patch("enrollments.offline.cancel_checkout", _expire))
        self.doctor = StepwiseDoctor()

    @initialize(mode=st.sampled_from([ReviewMode.MANUAL, ReviewMode.AUTOMATIC]), is_busy=st.booleans())
    def found(self, mode: ReviewMode, is_busy: bool) -> None:
        self.instance = InstanceFactory(review_mode=mode)
        self.workspace = self.instance.workspace
        self.allocation = seats(self.workspace, total=2)
        self.other = seats(self.workspace, total=1, instance_id=self.instance.pk)
        self.cohort = cohort_with(
            options=(1, 2), seats=1, max_enrollment=2, instance__workspace=self.workspace, instance__is_default=False
        )
        VoucherFactory(workspace=self.workspace, code="SPRING-25", most_uses=2)
        self.students = [LearnerFactory(workspace=self.workspace) for _ in range(LEARNERS)]
        if is_busy:
            self.ask_for_a_seat(1)
            self.ask_a_parent(2, voucher="", with_seat=False)
            self.hear_of_a_checkout(0, outcome="paid")
            self.hold_a_place(3, voucher="")
            self.hear_of_a_checkout(0, outcome="paid")
            self.ask_a_parent(4, voucher="", with_seat=False)

    def teardown(self) -> None:
        try:
            found = examine(now=self.now)
            assert found == self.doctor.examine(now=self.now), found
        finally:
            self.stripe.close()
            transaction.set_rollback(True)
            self.run.__exit__(None, None, None)

    @invariant()
    def the_doctor_finds_nothing(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        found = self.doctor.examine(now=self.now)
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

    @precondition(there_are(SEATS))
    @rule(which=nth, to_other=st.booleans())
    def transfer_a_seat(self, which: int, to_other: bool) -> None:
        target = self.other if to_other else self.allocation
        self.attempt(transfer_seat, seat_id=pick(SEATS, which).pk, allocation_id=target.pk)

    @precondition(there_are(SEATS))
    @rule(which=nth)
    def release_a_seat(self, which: int) -> None:
        self.attempt(release_holder, seat_id=pick(SEATS, which).pk, actor=STAFF, reason="Moved away")

    @rule(total=st.integers(1, 3))
    def resize_an_allocation(self, total: int) -> None:
        self.attempt(update_allocation, allocation_id=self.allocation.pk, total_seats=total, actor=STAFF)

    @precondition(there_are(NOT_ASKED_ABOUT))
    @rule(which=nth, is_kept=st.booleans())
    def ask_about_an_idle_seat(self, which: int, is_kept: bool) -> None:
        seat = pick(NOT_ASKED_ABOUT, which)
        idle = IdleSeat.objects.create(seat=seat, idle_since=self.now, asked_at=self.now, due_at=self.now)
        if is_kept:
            self.attempt(keep_seat, idle_seat_id=idle.pk, actor=FAMILY)
        self.attempt(reclaim_seat, idle_seat_id=idle.pk, actor=STAFF)

    # --- Reviews ------------------------------------------------------------------------------------------------------

    @precondition(there_are(ENROLLMENTS))
    @rule(which=nth, is_approved=st.booleans())
    def review(self, which: int, is_approved: bool) -> None:
        answer = approve_enrollment if is_approved else reject_enrollment
        self.attempt(answer, enrollment_id=pick(ENROLLMENTS, which).pk, actor=STAFF, reason="As the rules say")

    @precondition(there_are(ENROLLMENTS))
    @rule(which=nth, outcome=st.sampled_from([EligibilityStatus.APPROVED, EligibilityStatus.REJECTED]))
    def hold_an_answer(self, which: int, outcome: EligibilityStatus) -> None:
        enrollment = pick(ENROLLMENTS, which)
        self.attempt(hold_review, enrollment_id=enrollment.pk, outcome=outcome, actor=STAFF, reason="So")

    @precondition(there_are(HELD))
    @rule(which=nth)
    def undo_an_answer(self, which: int) -> None:
        self.attempt(undo_review, held_review_id=pick(HELD, which).pk, actor=STAFF)

    @precondition(there_are(HELD))
    @rule()
    def carry_answers_out(self) -> None:
        self.now += dt.timedelta(seconds=11)
        self.attempt(carry_out_due_reviews)

    @precondition(there_are(ENROLLMENTS))
    @rule(which=nth)
    def end(self, which: int) -> None:
        self.attempt(unenroll_enrollment, enrollment_id=pick(ENROLLMENTS, which).pk, actor=STAFF, reason="Asked to")

    @rule(drafts=st.sampled_from([[], [NOT_THE_SECOND]]))
    def change_the_criteria(self, drafts: list[CriterionDraft]) -> None:
        self.attempt(change_criteria, instance_id=self.instance.pk, drafts=drafts, actor=STAFF)

    @precondition(there_are(REFUSED))
    @rule(which=nth)
    def reconsider(self, which: int) -> None:
        self.attempt(reconsider_enrollment, enrollment_id=pick(REFUSED, which).pk, actor=STAFF, reason="Asked to")

    # --- Money --------------------------------------------------------------------------------------------------------

    @precondition(there_are(CHECKOUTS))
    @rule(which=nth, outcome=st.sampled_from(["paid", "paid", "expired", "processing", "failed"]))
    def hear_of_a_checkout(self, which: int, outcome: str) -> None:
        checkout = pick(CHECKOUTS, which)
        told: dict[str, Any] = {
            "paid": {},
            "expired": EXPIRED,
            "processing": {"payment_status": "unpaid", "payment_intent_status": "processing"},
            "failed": {"payment_status": "unpaid", "payment_intent_status": "requires_payment_method"},
        }[outcome]
        if checkout.status not in LIVE_CHECKOUTS and outcome != "paid":
            return  # Stripe does not take back what it has said
        if not _open_at_stripe(checkout):
            return
        self.attempt(record_session, checkout_id=checkout.pk, session=session_of(checkout, **told))

    @precondition(there_are(PAID_BY_STRIPE))
    @rule(which=nth, amount=st.sampled_from([None, 100, 4900]))
    def ask_for_a_refund(self, which: int, amount: int | None) -> None:
        asked = {"amount_minor": amount, "reason": RefundReason.REQUESTED, "actor": STAFF}
        self.attempt(request_refund, payment_id=pick(PAID_BY_STRIPE, which).pk, **asked)

    @precondition(there_are(REFUNDS))
    @rule(which=nth, status=st.sampled_from(["succeeded", "succeeded", "pending", "failed"]))
    def hear_of_a_refund(self, which: int, status: str) -> None:
        refund = pick(REFUNDS, which)
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

    @precondition(there_are(DISPUTABLE))
    @rule(which=nth, status=st.sampled_from(["needs_response", "won", "lost"]))
    def hear_of_a_dispute(self, which: int, status: str) -> None:
        payment = pick(DISPUTABLE, which)
        told = DisputeSnapshot(
            id=f"dp_rows_{payment.pk}",
            payment_intent_id=str(payment.payment_intent_id),
            amount_minor=payment.amount_minor,
            reason="fraudulent",
            status=status,
            created_at=self.now,
        )
        self.attempt(record_dispute, payment_id=payment.pk, snapshot=told)

    @precondition(there_are(UNPAID_ENROLLMENTS))
    @rule(which=nth)
    def pay_in_cash(self, which: int) -> None:
        proof = Proof(OfflineMeans.CASH, STAFF)
        self.attempt(pay_offline, enrollment_id=pick(UNPAID_ENROLLMENTS, which).pk, proof=proof)

    @precondition(there_are(PAID_IN_CASH))
    @rule(which=nth, is_returned=st.booleans())
    def reverse_cash(self, which: int, is_returned: bool) -> None:
        said: dict[str, Any] = {"is_returned": is_returned, "note": "Bounced", "actor": STAFF}
        self.attempt(reverse_offline_payment, payment_id=pick(PAID_IN_CASH, which).pk, **said)

    # --- Places and classes -------------------------------------------------------------------------------------------

    @rule(who=learner, voucher=code)
    def hold_a_place(self, who: int, voucher: str) -> None:
        student: Learner = self.students[who - 1]
        with _Refusals():
            reserve(self.cohort, student, voucher=voucher)
            self.carried_out["reserve"] += 1

    @precondition(there_are(PACKAGES))
    @rule(which=nth, option=nth)
    def book(self, which: int, option: int) -> None:
        offered = pick(CohortSession.objects.filter(cohort=self.cohort), option)
        chosen = Selection(offered.step_id, offered.option_id)
        self.attempt(book_sessions, package_id=pick(PACKAGES, which).pk, selections=[chosen])

    @precondition(there_are(BOOKED))
    @rule(which=nth)
    def cancel_a_booking(self, which: int) -> None:
        row = pick(BOOKED, which)
        self.attempt(cancel_booking, package_id=row.package_id, step_id=row.step_id)

    def attempt(self, use_case: Callable[..., Any], *subject: Any, **arguments: Any) -> None:
        """A second later, do it or be refused: a refusal must leave nothing behind."""
        self.now += dt.timedelta(seconds=1)
        with _Refusals():
            use_case(*subject, **arguments, now=self.now)
            self.carried_out[use_case.__name__] += 1


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
        out_of_order = [*self.recorder.out_of_order(), *self.recorder.rows_out_of_order()]
        assert out_of_order == [], out_of_order
        return isinstance(error, DomainError)


def _checkout(*, checkout_id: int, now: dt.datetime) -> Checkout:
    return Checkout.objects.get(pk=checkout_id)


def _expire(*, checkout_id: int, now: dt.datetime) -> Checkout:
    checkout = Checkout.objects.get(pk=checkout_id)
    _open_at_stripe(checkout)
    return record_session(checkout_id=checkout_id, session=session_of(checkout, **EXPIRED), now=now)


def _open_at_stripe(checkout: Checkout) -> bool:
    """Return whether Stripe has it: it never gets one that ended before."""
    sent = Checkout.objects.filter(models.Q(status__in=LIVE_CHECKOUTS) | models.Q(stripe_session_id__isnull=False))
    return bool(sent.filter(pk=checkout.pk).update(stripe_session_id=f"cs_rows_{checkout.pk}"))
