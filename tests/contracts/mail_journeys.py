"""Ways through the platform by enrollments that are not courses: each goes one step, and says which."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from django.core import mail

from accounts.tests.factories import LeadFactory
from billing.checkout import settle_checkout
from billing.models import Checkout, Payment, Refund
from billing.offline import Proof, reverse_offline_payment
from billing.refunds import record_refunds, request_refund
from billing.states import OfflineMeans, RefundReason, RefundStatus
from billing.tests.factories import VoucherFactory
from billing.tests.snapshots import EXPIRED, arrive, dispute, tell
from billing.tests.snapshots import refund as stripes_refund
from core.clock import utc_now
from enrollments.deletion import delete_enrollment
from enrollments.exit import carry_out_due_exits, plan_exit, withdraw_exit
from enrollments.lifecycle import (
    approve_enrollment,
    evaluate_enrollment,
    reject_enrollment,
    submit_enrollment,
    unenroll_enrollment,
)
from enrollments.models import Enrollment, PlannedExit, ProgramInstance
from enrollments.offline import pay_offline
from enrollments.on_account import enroll_on_account
from enrollments.reminders import remind_of_ends
from enrollments.routing.decision import cancel_decision
from enrollments.states import ReviewMode
from enrollments.tests.applicants import fill_in, instance_with_form, mailed_link, press
from enrollments.tests.factories import STAFF, CandidateFactory, InstanceFactory, approved_enrollment, route, seats
from tests.contracts.mailbox import CHILD, FAMILY, PAYER, child_in

DAY = dt.timedelta(days=1)


def decide(use_case: Any, **more: Any) -> None:
    """Let staff decide about the only enrollment."""
    use_case(enrollment_id=Enrollment.objects.latest("pk").pk, actor=STAFF, now=utc_now(), **more)


def pay(stripe: Any, **form: str) -> Checkout:
    checkout = Checkout.objects.latest("pk")
    stripe.pay(checkout.url, email=PAYER, **form)
    return settle_checkout(checkout_id=checkout.pk, now=utc_now())


def refund(amount_minor: int | None = None) -> None:
    payment = Payment.objects.latest("pk")
    request_refund(
        payment_id=payment.pk,
        amount_minor=amount_minor,
        reason=RefundReason.REQUESTED,
        actor=STAFF,
        now=utc_now(),
    )
    send_money_back()


def send_money_back() -> None:
    """Let Stripe carry out every refund that was asked for, without asking it."""
    for asked in Refund.objects.filter(status=RefundStatus.REQUESTED):
        made = replace(stripes_refund(asked.amount_minor, number=asked.pk), reference=asked.reference)
        record_refunds(payment_id=asked.payment_id, refunds=[made], now=utc_now())


def contest(amount_minor: int, status: str) -> None:
    arrive(Payment.objects.latest("pk"), dispute(amount_minor, status=status), now=utc_now())


def pay_in_cash() -> Payment:
    return pay_offline(
        enrollment_id=Enrollment.objects.latest("pk").pk, proof=Proof(OfflineMeans.CASH, STAFF), now=utc_now()
    )


def reverse(*, is_returned: bool) -> None:
    reverse_offline_payment(
        payment_id=Payment.objects.latest("pk").pk, is_returned=is_returned, note="x", actor=STAFF, now=utc_now()
    )


# --- By the router --------------------------------------------------------------------------------------------------


def asked_by_router(review: str = ReviewMode.AUTOMATIC, **more: Any) -> None:
    """Let an integrator ask for a learner whose family is known."""
    instance = InstanceFactory(review_mode=review)
    child_in(instance.workspace)
    for code in [more["voucher"]] if "voucher" in more else []:
        VoucherFactory(workspace=instance.workspace, code=code, kind="free")
    route(instance.workspace, email=CHILD, tenant_id=None, **more)


def router_finds_a_seat(stripe: Any) -> Iterator[str]:
    instance = InstanceFactory(review_mode=ReviewMode.MANUAL)
    child_in(instance.workspace)
    seats(instance.workspace, total=1)
    route(instance.workspace, email=CHILD)
    yield "asked"
    decide(approve_enrollment)
    yield "approved"
    decide(unenroll_enrollment, reason="Moved")
    yield "ended"


def router_asks_a_payer(stripe: Any) -> Iterator[str]:
    asked_by_router()
    yield "asked"
    pay(stripe)
    yield "paid"
    refund(900)
    yield "partly refunded"
    refund()
    yield "refunded"


def router_asks_a_payer_before_review(stripe: Any) -> Iterator[str]:
    asked_by_router(ReviewMode.MANUAL)
    pay(stripe)
    yield "paid"
    decide(approve_enrollment)
    yield "approved"
    decide(unenroll_enrollment, reason="Moved")
    yield "ended"


def router_asks_a_payer_after_review(stripe: Any) -> Iterator[str]:
    asked_by_router(ReviewMode.MANUAL)
    decide(approve_enrollment)
    yield "approved"
    pay(stripe)
    yield "paid"


def router_asks_a_payer_and_review_refuses(stripe: Any) -> Iterator[str]:
    asked_by_router(ReviewMode.MANUAL)
    pay(stripe)
    yield "paid"
    decide(reject_enrollment, reason="Full")
    yield "rejected"
    send_money_back()
    yield "refunded"


def router_asks_a_payer_who_never_pays(stripe: Any) -> Iterator[str]:
    asked_by_router(ReviewMode.MANUAL)
    tell(Checkout.objects.latest("pk"), **EXPIRED)
    yield "expired"
    decide(reject_enrollment, reason="Full")
    yield "rejected"


def router_asks_a_payer_whose_bank_refuses(stripe: Any) -> Iterator[str]:
    asked_by_router()
    checkout = pay(stripe, card="async")
    yield "on its way"
    stripe.settle(checkout.url, outcome="failed")
    settle_checkout(checkout_id=checkout.pk, now=utc_now())
    yield "refused"


def router_takes_a_code_for_everything(stripe: Any) -> Iterator[str]:
    asked_by_router(voucher="ALL-FREE")
    yield "asked"
    decide(unenroll_enrollment, reason="Moved")
    yield "ended"


def router_takes_a_code_for_everything_before_review(stripe: Any) -> Iterator[str]:
    asked_by_router(ReviewMode.MANUAL, voucher="ALL-FREE")
    yield "asked"
    decide(approve_enrollment)
    yield "approved"


def router_takes_a_code_for_everything_after_review(stripe: Any) -> Iterator[str]:
    asked_by_router(ReviewMode.MANUAL)
    decide(approve_enrollment)
    yield "approved"
    enrollment = Enrollment.objects.get()
    VoucherFactory(workspace=enrollment.workspace, code="ALL-FREE", kind="free")
    cancel_decision(decision_id=enrollment.decisions.get().pk, now=utc_now())
    route(enrollment.workspace, email=CHILD, tenant_id=None, voucher="ALL-FREE")
    yield "asked again"


def router_takes_a_code_for_everything_and_review_refuses(stripe: Any) -> Iterator[str]:
    asked_by_router(ReviewMode.MANUAL, voucher="ALL-FREE")
    decide(reject_enrollment, reason="Full")
    yield "rejected"


def bank_takes_all_back(stripe: Any) -> Iterator[str]:
    asked_by_router()
    pay(stripe)
    yield "paid"
    contest(4900, "needs_response")
    yield "contested"
    contest(4900, "lost")
    yield "lost"


def bank_takes_the_rest_back_from_the_family_that_paid(stripe: Any) -> Iterator[str]:
    asked_by_router()
    checkout = Checkout.objects.latest("pk")
    stripe.pay(checkout.url, email=FAMILY)
    settle_checkout(checkout_id=checkout.pk, now=utc_now())
    yield "paid"
    refund(900)
    yield "partly refunded"
    contest(4000, "lost")
    yield "lost"


def dispute_is_won(stripe: Any) -> Iterator[str]:
    asked_by_router()
    pay(stripe)
    yield "paid"
    contest(4900, "needs_response")
    contest(4900, "won")
    yield "won"


# --- Outside of Stripe ----------------------------------------------------------------------------------------------


def paid_in_cash(stripe: Any) -> Iterator[str]:
    asked_by_router()
    yield "asked"
    pay_in_cash()
    yield "paid"
    reverse(is_returned=True)
    yield "given back"


def paid_in_cash_before_review(stripe: Any) -> Iterator[str]:
    asked_by_router(ReviewMode.MANUAL)
    pay_in_cash()
    yield "paid"
    decide(approve_enrollment)
    yield "approved"


def paid_in_cash_after_review(stripe: Any) -> Iterator[str]:
    asked_by_router(ReviewMode.MANUAL)
    decide(approve_enrollment)
    yield "approved"
    pay_in_cash()
    yield "paid"
    reverse(is_returned=False)
    pay_in_cash()
    yield "bounced and paid again"


def paid_in_cash_and_review_refuses(stripe: Any) -> Iterator[str]:
    asked_by_router(ReviewMode.MANUAL)
    pay_in_cash()
    yield "paid"
    decide(reject_enrollment, reason="Full")
    yield "rejected"
    reverse(is_returned=True)
    yield "given back"


def on_account(stripe: Any) -> Iterator[str]:
    instance = InstanceFactory()
    child_in(instance.workspace, external_id="L-1")
    enroll_on_account(
        workspace_id=instance.workspace_id, course_id=instance.pk, user_id="L-1", actor=STAFF, now=utc_now()
    )
    yield "enrolled"
    pay_in_cash()
    yield "paid"
    reverse(is_returned=False)
    yield "bounced"
    decide(unenroll_enrollment, reason="Not paid")
    yield "ended"


# --- By a form ------------------------------------------------------------------------------------------------------


def applied(instance: ProgramInstance) -> str:
    fill_in(instance, email=FAMILY)
    return mailed_link()


def applied_and_accepted(stripe: Any) -> Iterator[str]:
    link = applied(instance_with_form(program__title="Robotics"))
    yield "filled in"
    press(link)
    yield "confirmed"
    decide(approve_enrollment)
    yield "approved"


def applied_without_review(stripe: Any) -> Iterator[str]:
    link = applied(instance_with_form(program__title="Robotics", review_mode=ReviewMode.AUTOMATIC))
    yield "filled in"
    press(link)
    yield "confirmed"


def applied_and_refused(stripe: Any) -> Iterator[str]:
    link = applied(instance_with_form(program__title="Robotics"))
    press(link)
    mail.outbox.clear()
    yield "confirmed"
    decide(reject_enrollment, reason="Full")
    yield "rejected"


def applied_and_deleted(stripe: Any) -> Iterator[str]:
    link = applied(instance_with_form(program__title="Robotics"))
    press(link)
    mail.outbox.clear()
    yield "confirmed"
    decide(delete_enrollment)
    yield "deleted"


def applied_and_paid(stripe: Any) -> Iterator[str]:
    price = InstanceFactory(is_default=False).price
    link = applied(instance_with_form(program__title="Robotics", workspace=price.workspace, price=price))
    mail.outbox.clear()
    press(link)
    yield "confirmed"
    pay(stripe)
    yield "paid"
    decide(approve_enrollment)
    yield "approved"


def applied_with_a_code_for_everything(stripe: Any) -> Iterator[str]:
    price = InstanceFactory(is_default=False).price
    VoucherFactory(workspace=price.workspace, code="ALL-FREE", kind="free")
    instance = instance_with_form(
        program__title="Robotics", workspace=price.workspace, price=price, review_mode=ReviewMode.AUTOMATIC
    )
    link = applied(instance)
    mail.outbox.clear()
    press(link, voucher="ALL-FREE")
    yield "confirmed"


def applied_with_a_code_for_everything_before_review(stripe: Any) -> Iterator[str]:
    price = InstanceFactory(is_default=False).price
    VoucherFactory(workspace=price.workspace, code="ALL-FREE", kind="free")
    link = applied(instance_with_form(program__title="Robotics", workspace=price.workspace, price=price))
    mail.outbox.clear()
    press(link, voucher="ALL-FREE")
    yield "confirmed"
    decide(approve_enrollment)
    yield "approved"


# --- By staff -------------------------------------------------------------------------------------------------------


def candidate(review: str = ReviewMode.MANUAL, **instance: Any) -> Enrollment:
    made = InstanceFactory(review_mode=review, **instance)
    enrollment: Enrollment = CandidateFactory(instance=made, workspace=made.workspace, learner=child_in(made.workspace))
    return enrollment


def decided_step_by_step(stripe: Any) -> Iterator[str]:
    candidate()
    decide(evaluate_enrollment)
    yield "evaluated"
    decide(submit_enrollment)
    yield "submitted"
    decide(approve_enrollment)
    yield "approved"
    decide(unenroll_enrollment, reason="Moved")
    yield "ended"


def a_lead_becomes_a_learner(stripe: Any) -> Iterator[str]:
    enrollment = candidate()
    lead = LeadFactory(workspace=enrollment.workspace, email="lead@mails.test", first_name="Leo", last_name="Lee")
    Enrollment.objects.filter(pk=enrollment.pk).update(learner=None, lead=lead)
    decide(evaluate_enrollment)
    yield "evaluated"
    decide(submit_enrollment)
    yield "submitted"
    decide(approve_enrollment)
    yield "approved"


def an_exit_is_planned_and_comes(stripe: Any) -> Iterator[str]:
    approved_enrollment(candidate())
    yield "approved"
    plan(days=20)
    yield "planned"
    plan(days=30)
    yield "planned anew"
    carry_out_due_exits(now=utc_now() + 32 * DAY)
    yield "ended"


def an_exit_is_planned_and_withdrawn(stripe: Any) -> Iterator[str]:
    approved_enrollment(candidate())
    yield "approved"
    plan(days=20)
    yield "planned"
    withdraw_exit(planned_exit_id=PlannedExit.objects.latest("pk").pk, actor=STAFF, now=utc_now())
    yield "withdrawn"


def left_before_the_last_day(stripe: Any) -> Iterator[str]:
    today = utc_now().date()
    approved_enrollment(candidate(end_date=today + 40 * DAY))
    yield "approved"
    plan(days=38)
    yield "planned"
    remind_of_ends(at_most=10, clock=lambda: utc_now() + 30 * DAY)
    yield "ten days before"


def the_last_day_comes(stripe: Any) -> Iterator[str]:
    today = utc_now().date()
    approved_enrollment(candidate(end_date=today + 40 * DAY))
    yield "approved"
    remind_of_ends(at_most=10, clock=lambda: utc_now() + 30 * DAY)
    yield "ten days before"
    remind_of_ends(at_most=10, clock=lambda: utc_now() + 38 * DAY)
    yield "two days before"


def plan(*, days: int) -> None:
    day = utc_now().date() + days * DAY
    decide(plan_exit, effective_date=day, reason="Moves away")
