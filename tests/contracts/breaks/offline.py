"""Breaches of the invariants of money from outside of Stripe, and near misses."""

import datetime as dt

from billing.invoicing import Buyer, issue_invoice
from billing.models import Invoice, Payment
from core.clock import utc_now
from enrollments.models import Enrollment, EnrollmentDecision
from tests.constraints import drop_constraint

from .billing import a_payment_beside
from .world import Rows, World, a_task_about, breaks, spares

LONG_AGO = utc_now() - dt.timedelta(days=365)


@breaks("billing.offline_payments_are_vouched_for")
def money_outside_of_stripe_that_nobody_vouches_for(world: World) -> Rows:
    drop_constraint(Payment, "payment_offline_is_vouched_for")
    payment = an_offline_payment_beside(world)
    Payment.objects.filter(pk=payment.pk).update(recorded_by="")
    return {"billing.offline_payments_are_vouched_for": [f"payment {payment.pk}"]}


@breaks("billing.offline_payments_are_vouched_for")
def money_outside_of_stripe_that_came_by_no_means(world: World) -> Rows:
    drop_constraint(Payment, "payment_offline_is_vouched_for")
    payment = an_offline_payment_beside(world)
    Payment.objects.filter(pk=payment.pk).update(means="")
    return {"billing.offline_payments_are_vouched_for": [f"payment {payment.pk}"]}


@breaks("billing.offline_payments_are_vouched_for")
def money_outside_of_stripe_with_a_checkout(world: World) -> str:
    payment = an_offline_payment_beside(world)
    Payment.objects.filter(pk=payment.pk).update(payment_intent_id="pi_of_stripe")
    return f"payment {payment.pk}"


@spares("billing.offline_payments_are_vouched_for")
def money_outside_of_stripe_without_a_reference(world: World) -> None:
    an_offline_payment_beside(world)


@breaks("billing.invoices_add_up_to_payments")
def money_outside_of_stripe_without_an_invoice(world: World) -> str:
    payment = an_offline_payment_beside(world)
    Invoice.objects.filter(payment=payment).update(status="cancelled")
    return f"payment {payment.pk}"


@breaks("enrollments.offline_payments_are_at_work")
def money_outside_of_stripe_for_an_enrollment_that_was_rejected(world: World) -> Rows:
    payment = offline_money_for(world.paid)
    Enrollment.objects.filter(pk=world.paid.enrollment_id).update(eligibility_status="rejected")
    return {
        "enrollments.offline_payments_are_at_work": [f"payment {payment.pk}"],
        "enrollments.facets_equal_their_last_transition": [f"enrollment {world.paid.enrollment_id}"],
    }


@breaks("enrollments.offline_payments_are_at_work")
def money_outside_of_stripe_that_paid_for_nothing(world: World) -> str:
    return f"payment {offline_money_for(world.waiting).pk}"


@spares("enrollments.offline_payments_are_at_work")
def money_outside_of_stripe_for_an_enrollment_that_goes_on(world: World) -> None:
    offline_money_for(world.paid)


@spares("enrollments.offline_payments_are_at_work")
def money_outside_of_stripe_about_which_a_person_is_asked(world: World) -> None:
    payment = offline_money_for(world.waiting)
    a_task_about(f"payment:{payment.pk}", payment.workspace)


@breaks("cohorts.paid_enrollments_have_money_behind_them")
def an_enrollment_said_to_be_paid(world: World) -> Rows:
    Enrollment.objects.filter(pk=world.training.pk).update(payment_status="paid")
    return {
        "cohorts.paid_enrollments_have_money_behind_them": [f"enrollment {world.training.pk}"],
        "enrollments.facets_equal_their_last_transition": [f"enrollment {world.training.pk}"],
    }


@spares("cohorts.paid_enrollments_have_money_behind_them")
def an_enrollment_that_was_paid_outside_of_stripe(world: World) -> Rows:
    offline_money_for(world.used)
    Enrollment.objects.filter(pk=world.used.enrollment_id).update(payment_status="paid")
    return {"enrollments.facets_equal_their_last_transition": [f"enrollment {world.used.enrollment_id}"]}


def an_offline_payment_beside(world: World, **changes: object) -> Payment:
    """Create a payment for something that none of our apps sells."""
    payment = a_payment_beside(
        world,
        checkout_id=None,
        payment_intent_id=None,
        purpose="elsewhere",
        method="offline",
        means="cash",
        recorded_by="user:1",
        **changes,
    )
    issue_invoice(payment=payment, buyer=Buyer("parent@home.test"), now=utc_now())
    return payment


def offline_money_for(decision: EnrollmentDecision) -> Payment:
    """Create a payment made long ago for the decision's enrollment."""
    payment = Payment(
        workspace=decision.workspace,
        purpose="enrollment",
        subject=str(decision.enrollment_id),
        method="offline",
        means="cash",
        recorded_by="user:1",
        amount_minor=4900,
        currency="usd",
        paid_at=LONG_AGO,
    )
    payment.receive()
    payment.save()
    issue_invoice(payment=payment, buyer=Buyer("parent@home.test"), now=utc_now())
    return payment
