"""What breaks the invariants of billing, and what comes close."""

import datetime as dt

from billing.models import Checkout, Invoice, InvoiceSeries, Payment, Refund, StripeEvent
from core.clock import utc_now
from tests.constraints import drop_constraint

from .world import Rows, World, breaks, copy


@breaks("billing.payments_are_what_was_asked")
def more_than_was_asked(world: World) -> Rows:
    Payment.objects.filter(pk=world.payment.pk).update(amount_minor=5000)
    return {
        "billing.payments_are_what_was_asked": [f"payment {world.payment.pk}"],
        "billing.invoices_add_up_to_payments": [f"payment {world.payment.pk}"],
    }


@breaks("billing.payments_are_what_was_asked")
def another_currency(world: World) -> str:
    Payment.objects.filter(pk=world.payment.pk).update(currency="eur")
    return f"payment {world.payment.pk}"


@breaks("billing.payments_are_what_was_asked")
def two_payments_for_one_checkout(world: World) -> Rows:
    second = copy(world.payment, payment_intent_id="pi_second", refunded_minor=0, status="paid")
    Payment.objects.bulk_create([second])
    return {
        "billing.payments_are_what_was_asked": [f"checkout {world.paid.checkout_id}"],
        "billing.invoices_add_up_to_payments": [f"payment {second.pk}"],
    }


@breaks("billing.refunds_fit_their_payment")
def a_refund_of_more_than_was_paid(world: World) -> str:
    Refund.objects.bulk_create([copy(world.refund, stripe_refund_id=None, amount_minor=4001, status="requested")])
    return f"payment {world.payment.pk}"


@breaks("billing.payments_count_their_refunds")
def a_refund_that_was_not_counted(world: World) -> str:
    Refund.objects.filter(pk=world.refund.pk).update(amount_minor=1000)
    return f"payment {world.payment.pk}"


@breaks("billing.payments_count_their_refunds")
def a_payment_said_to_be_refunded_in_full(world: World) -> Rows:
    Payment.objects.filter(pk=world.payment.pk).update(status="refunded")
    return {
        "billing.payments_count_their_refunds": [f"payment {world.payment.pk}"],
        "enrollments.decisions_agree_with_their_money": [f"decision {world.paid.pk}"],
    }


@breaks("billing.checkouts_agree_with_their_payments")
def a_paid_checkout_without_a_payment(world: World) -> Rows:
    Checkout.objects.filter(pk=world.waiting.checkout_id).update(status="paid")
    return {
        "billing.checkouts_agree_with_their_payments": [f"checkout {world.waiting.checkout_id}"],
        "enrollments.waiting_decisions_can_be_paid": [f"decision {world.waiting.pk}"],
    }


@breaks("billing.checkouts_agree_with_their_payments")
def an_expired_checkout_with_a_payment(world: World) -> str:
    Checkout.objects.filter(pk=world.paid.checkout_id).update(status="expired")
    return f"checkout {world.paid.checkout_id}"


@breaks("billing.invoices_add_up_to_payments")
def a_payment_without_an_invoice(world: World) -> Rows:
    Invoice.objects.filter(payment=world.payment, corrects__isnull=False).delete()
    Invoice.objects.filter(payment=world.payment).delete()
    return {
        "billing.invoices_add_up_to_payments": [f"payment {world.payment.pk}"],
        "billing.invoice_numbers_have_no_gaps": [series_of(world)],
    }


@breaks("billing.invoices_add_up_to_payments")
def a_refund_without_a_correction(world: World) -> Rows:
    Invoice.objects.filter(payment=world.payment, corrects__isnull=False).delete()
    return {
        "billing.invoices_add_up_to_payments": [f"payment {world.payment.pk}"],
        "billing.invoice_numbers_have_no_gaps": [series_of(world)],
    }


@breaks("billing.invoice_numbers_have_no_gaps")
def an_invoice_that_is_gone(world: World) -> Rows:
    Invoice.objects.filter(payment=world.payment, corrects__isnull=False).delete()
    return {
        "billing.invoices_add_up_to_payments": [f"payment {world.payment.pk}"],
        "billing.invoice_numbers_have_no_gaps": [series_of(world)],
    }


@breaks("billing.invoice_numbers_have_no_gaps")
def a_number_that_was_skipped(world: World) -> str:
    number = Invoice.objects.get(payment=world.payment, corrects__isnull=False).number
    Invoice.objects.filter(number=number).update(number=f"{number[:-1]}9")
    return series_of(world)


@breaks("billing.one_live_checkout_per_subject")
def two_live_checkouts(world: World) -> Rows:
    drop_constraint(Checkout, "checkout_one_live_per_subject")
    second = copy(world.checkout, stripe_session_id="cs_second")
    Checkout.objects.bulk_create([second])
    return {
        "billing.one_live_checkout_per_subject": [f"enrollment_decision {world.waiting.pk}"],
        "enrollments.live_checkouts_are_wanted": [f"checkout {second.pk}"],
    }


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
def a_refund_nobody_submits(world: World) -> Rows:
    Refund.objects.filter(pk=world.refund.pk).update(
        status="requested", next_attempt_at=utc_now() - dt.timedelta(minutes=16)
    )
    return {
        "billing.open_refunds_are_pursued": [f"refund {world.refund.pk}"],
        "billing.payments_count_their_refunds": [f"payment {world.payment.pk}"],
    }


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


def series_of(world: World) -> str:
    """How the doctor names the series of the workspace's invoices."""
    return f"invoice series {InvoiceSeries.objects.get(workspace=world.payment.workspace).pk}"
