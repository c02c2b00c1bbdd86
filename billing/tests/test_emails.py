"""The emails about money: their recipients and content, and that nothing is sent twice."""

from io import BytesIO
from typing import Any

import pytest
from django.core import mail
from pypdf import PdfReader

from billing.checkout import settle_checkout
from billing.models import Invoice, Payment, Refund
from billing.refunds import record_refunds, request_refund, submit_refund
from billing.states import RefundReason
from core.actors import SYSTEM
from core.clock import utc_now
from notifications.models import Notification
from notifications.sending import send_due_notifications

from .stripe_world import StripeWorld

pytestmark = pytest.mark.django_db


def refund(payment: Payment, amount: int | None, reason: RefundReason = RefundReason.REQUESTED) -> Refund:
    asked = request_refund(payment_id=payment.pk, amount_minor=amount, reason=reason, actor=SYSTEM, now=utc_now())
    return submit_refund(refund_id=asked.pk, now=utc_now())


def delivered() -> Any:
    """Return the newest mail after everything due was sent."""
    send_due_notifications(now=utc_now())
    return mail.outbox[-1]


class TestAPayment:
    def test_brings_the_payer_the_invoice(self, world: StripeWorld) -> None:
        payment = world.paid()

        message = delivered()

        invoice = Invoice.objects.get()
        assert message.to == ["parent@example.test"]
        assert message.subject == "Your payment of 49.00 USD and its invoice"
        assert message.body == (
            "Thank you: your payment of 49.00 USD has arrived.\n\n"
            f"- For: Algebra I\n- Invoice: {invoice.number}\n\n"
            "The invoice is attached. You can also find it here whenever you need it:\n\n"
            f"Open the invoice: http://127.0.0.1:8000/my/invoices/{invoice.cuid}.pdf\n\n"
            f"{payment.workspace.name}\n"
        )
        ((name, content, media_type),) = message.attachments
        assert (name, media_type) == (f"invoice-{invoice.number}.pdf", "application/pdf")
        assert invoice.number in PdfReader(BytesIO(content)).pages[0].extract_text()

    def test_told_twice_brings_one_mail(self, world: StripeWorld) -> None:
        payment = world.paid()
        settle_checkout(checkout_id=payment.checkout_id or 0, now=utc_now())

        send_due_notifications(now=utc_now())
        send_due_notifications(now=utc_now())

        assert len(mail.outbox) == 1

    def test_is_told_with_ids_alone(self, world: StripeWorld) -> None:
        payment = world.paid()

        notification = Notification.objects.get()

        assert (notification.params, notification.subject_key) == ({"payment": payment.pk}, f"payment:{payment.pk}")


class TestARefund:
    @pytest.mark.sqlite
    def test_in_part_names_both_amounts(self, world: StripeWorld) -> None:
        payment = world.paid()
        delivered()

        refund(payment, 900)
        message = delivered()

        correction = Invoice.objects.get(corrects__isnull=False)
        assert message.to == ["parent@example.test"]
        assert message.subject == "We sent 9.00 USD back to you"
        assert message.body == (
            "We sent 9.00 USD of the 49.00 USD you paid back to you. It goes back to the card or account that you "
            f"paid with. Most banks take 5 to 10 days to show it.\n\n- For: Algebra I\n- Correction of your invoice: "
            f"{correction.number}, attached\n\n"
            f"{payment.workspace.name}\n"
        )
        assert [name for name, *_ in message.attachments] == [f"invoice-{correction.number}.pdf"]

    @pytest.mark.parametrize(
        ("reason", "sentence"),
        [
            (RefundReason.REQUESTED, "The whole payment has been refunded, and what it paid for has ended."),
            (RefundReason.PLACE_LOST, "The last place was gone when your payment arrived. We are sorry. We hold"),
            (
                RefundReason.DUPLICATE,
                "This had already been paid for, so we are returning your second payment in full.",
            ),
            (RefundReason.NOT_NEEDED, "The enrollment that you paid for had ended, so there was nothing left"),
        ],
    )
    def test_in_full_says_why(self, world: StripeWorld, reason: RefundReason, sentence: str) -> None:
        payment = world.paid()

        refund(payment, None, reason)
        message = delivered()

        assert message.body.startswith(
            "We sent your payment of 49.00 USD back to you. It goes back to the card or account"
        )
        assert sentence in message.body

    def test_of_two_parts_is_two_mails_each_with_its_own_correction(self, world: StripeWorld) -> None:
        payment = world.paid()
        refund(payment, 900)
        refund(payment, 1000)

        send_due_notifications(now=utc_now())

        subjects = [message.subject for message in mail.outbox[1:]]
        files = [message.attachments[0][0] for message in mail.outbox[1:]]
        year = utc_now().year
        assert subjects == ["We sent 9.00 USD back to you", "We sent 10.00 USD back to you"]
        assert files == [f"invoice-C-{year}-000001.pdf", f"invoice-C-{year}-000002.pdf"]

    def test_told_twice_is_mailed_once(self, world: StripeWorld) -> None:
        payment = world.paid()
        refund(payment, 900)

        record_refunds(payment_id=payment.pk, refunds=[], now=utc_now())
        send_due_notifications(now=utc_now())

        assert Notification.objects.filter(kind="refund").count() == 1

    def test_that_the_bank_sent_back_meanwhile_is_not_told(self, world: StripeWorld) -> None:
        payment = world.paid()
        delivered()
        refund(payment, 900)

        world.sandbox.settle_refund(world.sandbox.ledger()["refunds"][0]["id"], outcome="failed")
        world.tell(*world.events("refund.failed"))
        send_due_notifications(now=utc_now())

        assert Notification.objects.get(kind="refund").status == "skipped"
        assert len(mail.outbox) == 1

    def test_of_money_that_did_not_fit_is_told_without_an_invoice(self, world: StripeWorld) -> None:
        submitted = world.submitted()
        type(submitted).objects.filter(pk=submitted.pk).update(amount_minor=5000)
        world.pay(submitted)
        settle_checkout(checkout_id=submitted.pk, now=utc_now())

        refund(Payment.objects.get(), None)
        message = delivered()

        assert message.subject == "We sent 49.00 USD back to you"
        assert message.attachments == []
