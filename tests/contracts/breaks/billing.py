"""Breaches of the billing invariants, and near misses."""

import datetime as dt

from billing.checkout import EXPIRY_SLACK, LATEST_CHECK
from billing.invoicing import Buyer, correct_invoice, issue_invoice
from billing.models import Checkout, Dispute, Invoice, InvoiceSeries, Payment, Refund, StripeEvent
from billing.states import PaymentStatus
from core.clock import utc_now
from tests.constraints import drop_constraint

from .world import Rows, World, breaks, copy, spares

MINUTE = dt.timedelta(minutes=1)

# --- Payments ---------------------------------------------------------------------------------------------------------


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
    Invoice.objects.filter(payment=world.payment).update(currency="eur")
    return f"payment {world.payment.pk}"


@breaks("billing.payments_are_what_was_asked")
def another_currency_that_is_disputed(world: World) -> str:
    a_dispute_of(world.payment, "open")
    Payment.objects.filter(pk=world.payment.pk).update(currency="eur", status="disputed")
    Invoice.objects.filter(payment=world.payment).update(currency="eur")
    return f"payment {world.payment.pk}"


@spares("billing.payments_are_what_was_asked")
def money_that_did_not_fit_and_money_that_never_came(world: World) -> None:
    """Neither counts, so neither has an invoice."""
    pending = a_payment_beside(world, amount_minor=9000, currency="eur", status="pending", paid_at=utc_now())
    failed = a_payment_beside(world, amount_minor=9000, status="failed", paid_at=None)
    Payment.objects.filter(pk__in=[pending.pk, failed.pk]).update(checkout=world.waiting.checkout_id)


@spares("billing.payments_are_what_was_asked")
def two_payments_without_a_checkout(world: World) -> None:
    offline = {"checkout_id": None, "payment_intent_id": None, "method": "offline", "means": "cash"}
    for subject in ("1", "2"):
        payment = a_payment_beside(world, **offline, recorded_by="system", purpose="elsewhere", subject=subject)
        issue_invoice(payment=payment, buyer=Buyer("parent@home.test"), now=utc_now())


@breaks("billing.payments_are_what_was_asked")
def two_payments_for_one_checkout(world: World) -> Rows:
    second = a_payment_beside(world)
    return {
        "billing.payments_are_what_was_asked": [f"checkout {world.paid.checkout_id}"],
        "billing.invoices_add_up_to_payments": [f"payment {second.pk}"],
    }


@breaks("billing.refunds_fit_their_payment")
def a_refund_of_more_than_was_paid(world: World) -> str:
    Refund.objects.bulk_create([copy(world.refund, stripe_refund_id=None, amount_minor=4001, status="requested")])
    return f"payment {world.payment.pk}"


@spares("billing.refunds_fit_their_payment")
def refunds_that_were_called_off_and_one_of_all_that_is_left(world: World) -> None:
    a_refund_beside(world, amount_minor=4900, status="failed")
    a_refund_beside(world, amount_minor=4900, status="canceled")
    a_refund_beside(world, amount_minor=4000, status="requested")


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


@breaks("billing.payments_count_their_refunds")
def a_refund_of_all_that_counts_as_one_of_a_part(world: World) -> str:
    Refund.objects.filter(pk=world.refund.pk).update(amount_minor=4900)
    return f"payment {world.payment.pk}"


@breaks("billing.payments_count_their_refunds")
def a_payment_said_to_be_disputed(world: World) -> str:
    Payment.objects.filter(pk=world.package.payment_id).update(status="disputed")
    return f"payment {world.package.payment_id}"


@spares("billing.payments_count_their_refunds")
def a_dispute_that_the_bank_has_not_decided(world: World) -> None:
    a_dispute_of(world.payment, "open", withdrawn_minor=1000)
    Payment.objects.filter(pk=world.payment.pk).update(status="disputed")


@spares("billing.payments_count_their_refunds")
def an_inquiry_after_a_dispute_that_was_won(world: World) -> None:
    a_dispute_of(world.payment, "inquiry")
    Payment.objects.filter(pk=world.payment.pk).update(status="disputed")
    assert world.package.payment is not None
    a_dispute_of(world.package.payment, "won", withdrawn_minor=1000)


@spares("billing.payments_count_their_refunds")
def a_dispute_that_took_a_part(world: World) -> None:
    a_dispute_of(world.payment, "lost", withdrawn_minor=1000)
    Payment.objects.filter(pk=world.payment.pk).update(refunded_minor=1900)
    correct_invoice(payment=Payment.objects.get(pk=world.payment.pk), now=utc_now())


@spares("billing.payments_count_their_refunds")
def money_of_which_more_went_back_than_came(world: World) -> None:
    """A duplicate was refunded, and the bank took it as well."""
    duplicate = a_payment_beside(world, refunded_minor=4900, status="refunded")
    a_refund_beside(world, payment_id=duplicate.pk, amount_minor=4900)
    a_dispute_of(duplicate, "lost", withdrawn_minor=4900)


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


@breaks("billing.checkouts_agree_with_their_payments")
def a_paid_checkout_whose_money_did_not_fit(world: World) -> str:
    Payment.objects.filter(pk=world.payment.pk).update(status="pending")
    return f"checkout {world.paid.checkout_id}"


@breaks("billing.checkouts_agree_with_their_payments")
def a_paid_checkout_whose_money_never_came(world: World) -> Rows:
    Payment.objects.filter(pk=world.payment.pk).update(paid_at=None)
    return {
        "billing.checkouts_agree_with_their_payments": [f"checkout {world.paid.checkout_id}"],
        "enrollments.completed_decisions_are_funded": [f"decision {world.paid.pk}"],
        "cohorts.paid_enrollments_have_money_behind_them": [f"enrollment {world.paid.enrollment_id}"],
    }


@breaks("billing.checkouts_agree_with_their_payments")
def an_expired_checkout_whose_payment_is_disputed(world: World) -> str:
    a_dispute_of(world.payment, "open")
    Payment.objects.filter(pk=world.payment.pk).update(status="disputed")
    return an_expired_checkout_with_a_payment(world)


@breaks("billing.checkouts_agree_with_their_payments")
def an_expired_checkout_with_two_payments(world: World) -> Rows:
    return {
        "billing.checkouts_agree_with_their_payments": [an_expired_checkout_with_a_payment(world)],
        **two_payments_for_one_checkout(world),
    }


@breaks("billing.checkouts_agree_with_their_payments")
def an_expired_checkout_that_was_paid_in_full(world: World) -> str:
    assert world.package.payment is not None
    Checkout.objects.filter(pk=world.package.payment.checkout_id).update(status="expired")
    return f"checkout {world.package.payment.checkout_id}"


# --- Invoices ---------------------------------------------------------------------------------------------------------


@breaks("billing.invoices_add_up_to_payments")
def an_invoice_in_another_currency(world: World) -> str:
    Invoice.objects.filter(payment=world.payment).update(currency="eur")
    return f"payment {world.payment.pk}"


@breaks("billing.invoices_add_up_to_payments")
def a_disputed_payment_whose_refund_has_no_correction(world: World) -> Rows:
    a_dispute_of(world.payment, "open")
    Payment.objects.filter(pk=world.payment.pk).update(status="disputed")
    return a_refund_without_a_correction(world)


@breaks("billing.invoices_add_up_to_payments")
def a_payment_without_an_invoice(world: World) -> Rows:
    Invoice.objects.filter(payment=world.payment, corrects__isnull=False).delete()
    Invoice.objects.filter(payment=world.payment).delete()
    return {
        "billing.invoices_add_up_to_payments": [f"payment {world.payment.pk}"],
        "billing.invoice_numbers_have_no_gaps": [series_of(world)] * 2,  # of the invoice and of the correction
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


@breaks("billing.invoice_numbers_have_no_gaps")
def a_number_that_nobody_got(world: World) -> str:
    InvoiceSeries.objects.filter(workspace=world.payment.workspace).update(last_correction=3)
    number = Invoice.objects.get(payment=world.payment, corrects__isnull=False).number
    Invoice.objects.filter(number=number).update(number=f"{number[:-1]}3")
    return series_of(world)


@breaks("billing.invoice_numbers_have_no_gaps")
def a_series_that_is_gone(world: World) -> Rows:
    InvoiceSeries.objects.filter(workspace=world.payment.workspace).update(year=1999, last_number=0, last_correction=0)
    invoices = Invoice.objects.filter(payment=world.payment)
    return {"billing.invoice_numbers_have_no_gaps": [f"invoice {invoice.pk}" for invoice in invoices]}


@spares("billing.invoice_numbers_have_no_gaps")
def a_series_of_another_year(world: World) -> None:
    correction = Invoice.objects.get(payment=world.payment, corrects__isnull=False)
    InvoiceSeries.objects.create(workspace=world.payment.workspace, year=1999, last_correction=1)
    Invoice.objects.bulk_create([copy(correction, cuid="c1999", number="C-1999-000001", amount_minor=0)])


@breaks("billing.requested_invoices_are_pursued")
def an_invoice_that_no_sweep_asks_for(world: World) -> str:
    """Two wait: the first is overdue, and the second waits for the first."""
    first, _ = [requested_invoice(world, due=utc_now() - 16 * MINUTE) for _ in range(2)]
    return f"invoice {first.pk}"


@spares("billing.requested_invoices_are_pursued")
def an_invoice_whose_vendor_is_asked_soon(world: World) -> None:
    requested_invoice(world, due=utc_now())


# --- Checkouts, refunds, the inbox ------------------------------------------------------------------------------------


@breaks("billing.one_live_checkout_per_subject")
def two_live_checkouts(world: World) -> Rows:
    drop_constraint(Checkout, "checkout_one_live_per_subject")
    second = copy(world.checkout, stripe_session_id="cs_second", status="processing")
    Checkout.objects.bulk_create([second])
    return {
        "billing.one_live_checkout_per_subject": [f"checkout {second.pk}"],
        "enrollments.live_checkouts_are_wanted": [f"checkout {second.pk}"],
    }


@spares("billing.one_live_checkout_per_subject")
def live_checkouts_of_other_subjects_and_ended_ones_of_this(world: World) -> None:
    a_checkout_beside(world, subject=world.checkout.subject)
    a_checkout_beside(world, subject="another")
    for _ in range(2):
        a_checkout_beside(world, purpose=world.checkout.purpose, subject=world.checkout.subject, status="expired")


@breaks("billing.live_checkouts_are_asked_about")
def a_checkout_past_its_time_with_no_sweep_due(world: World) -> str:
    now = utc_now()
    Checkout.objects.filter(pk=world.waiting.checkout_id).update(
        expires_at=now - dt.timedelta(hours=1), next_check_at=now + dt.timedelta(hours=3)
    )
    return f"checkout {world.waiting.checkout_id}"


@breaks("billing.live_checkouts_are_asked_about")
def a_checkout_no_sweep_asks_about(world: World) -> str:
    Checkout.objects.filter(pk=world.waiting.checkout_id).update(
        next_check_at=utc_now() - 16 * MINUTE, status="processing"
    )
    return f"checkout {world.waiting.checkout_id}"


@spares("billing.live_checkouts_are_asked_about")
def checkouts_that_are_over_or_asked_about_in_time(world: World) -> None:
    now, later = utc_now(), dt.timedelta(hours=3)
    ended = {"status": "expired", "expires_at": now - later}
    a_checkout_beside(world, subject="1", **ended, next_check_at=now - later)
    a_checkout_beside(world, subject="2", **ended, next_check_at=now + later)
    a_checkout_beside(world, subject="3", expires_at=now + later, next_check_at=now + later + MINUTE)
    a_checkout_beside(world, subject="4", expires_at=now - EXPIRY_SLACK / 2, next_check_at=now + later)
    a_checkout_beside(world, subject="5", expires_at=now - later, next_check_at=now + LATEST_CHECK + EXPIRY_SLACK / 2)
    a_checkout_beside(world, subject="6", next_check_at=now - 14 * MINUTE)


@breaks("billing.open_refunds_are_pursued")
def a_refund_nobody_submits(world: World) -> Rows:
    Refund.objects.filter(pk=world.refund.pk).update(status="requested", next_attempt_at=utc_now() - 16 * MINUTE)
    return {
        "billing.open_refunds_are_pursued": [f"refund {world.refund.pk}"],
        "billing.payments_count_their_refunds": [f"payment {world.payment.pk}"],
    }


@breaks("billing.open_refunds_are_pursued")
def a_refund_nobody_asks_about(world: World) -> str:
    refund = a_refund_beside(world, amount_minor=100, status="pending", next_attempt_at=utc_now() - 16 * MINUTE)
    return f"refund {refund.pk}"


@spares("billing.open_refunds_are_pursued")
def refunds_that_are_over_or_about_to_be_tried(world: World) -> None:
    Refund.objects.filter(pk=world.refund.pk).update(next_attempt_at=utc_now() - 16 * MINUTE)
    a_refund_beside(world, amount_minor=100, status="requested", next_attempt_at=utc_now() - 14 * MINUTE)


@spares("billing.the_inbox_is_handled")
def events_that_are_handled_or_new(world: World) -> None:
    handled = an_event_nobody_handles(world).split()[-1]
    StripeEvent.objects.filter(pk=handled).update(event_id="evt_0", handled_at=utc_now())
    new = an_event_nobody_handles(world).split()[-1]
    StripeEvent.objects.filter(pk=new).update(received_at=utc_now() - 14 * MINUTE)


@breaks("billing.the_inbox_is_handled")
def an_event_nobody_handles(world: World) -> str:
    event = StripeEvent.objects.create(
        event_id="evt_1",
        type="checkout.session.completed",
        payload={},
        stripe_created_at=utc_now(),
        received_at=utc_now() - 16 * MINUTE,
    )
    return f"Stripe event {event.pk}"


# --- Rows in addition to the world's ----------------------------------------------------------------------------------


def a_payment_beside(world: World, **changes: object) -> Payment:
    """Create another payment for the same checkout, in full and without an invoice unless `changes` say otherwise."""
    intent = f"pi_{Payment.objects.count()}"
    values = {"payment_intent_id": intent, "refunded_minor": 0, "status": PaymentStatus.PAID, **changes}
    payment: Payment = copy(world.payment, **values)
    payment.save()
    return payment


def a_refund_beside(world: World, **changes: object) -> Refund:
    """Create another refund of the same payment."""
    refund: Refund = copy(world.refund, **{"stripe_refund_id": None, "next_attempt_at": utc_now(), **changes})
    refund.save()
    return refund


def a_checkout_beside(world: World, **changes: object) -> Checkout:
    """Create another live checkout, with a purpose that no app reads."""
    checkout: Checkout = copy(world.checkout, **{"stripe_session_id": None, "purpose": "elsewhere", **changes})
    checkout.save()
    return checkout


def a_dispute_of(payment: Payment, status: str, *, withdrawn_minor: int = 0) -> Dispute:
    return Dispute.objects.create(
        payment=payment,
        stripe_dispute_id=f"dp_{Dispute.objects.count()}",
        amount_minor=payment.amount_minor,
        withdrawn_minor=withdrawn_minor,
        status=status,
    )


def requested_invoice(world: World, *, due: dt.datetime) -> Invoice:
    """Create a document that a vendor is to issue: a correction of nothing, since the amount does not matter."""
    correction = Invoice.objects.get(payment=world.payment, corrects__isnull=False, status="issued")
    values = {"cuid": f"c{Invoice.objects.count()}", "provider": "fakturownia", "number": "", "amount_minor": 0}
    invoice: Invoice = copy(correction, **values, status="requested", issued_at=None, next_attempt_at=due)
    invoice.save()
    return invoice


def series_of(world: World) -> str:
    """Return the doctor's name for the series of the workspace's invoices."""
    return f"invoice series {InvoiceSeries.objects.get(workspace=world.payment.workspace).pk}"
