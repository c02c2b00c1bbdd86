"""What an invoice says about tax and seller, and how one to the wrong buyer is replaced."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.utils.translation import override

from billing.errors import InvoiceNotReplaceable
from billing.invoice_pdf import render_invoice
from billing.invoicing import Buyer, InvoiceLine, correct_invoice, replace_invoice
from billing.models import Invoice, Seller
from billing.purposes import Purpose, Service, register_purpose
from core.actors import SYSTEM

from .factories import PURPOSE, PriceFactory
from .stripe_world import StripeWorld
from .test_invoicing import NOW, breaches, invoiced, refund, words

pytestmark = pytest.mark.django_db


class TestTheTax:
    def taxed(self, **price: Any) -> Invoice:
        return invoiced(price=PriceFactory(amount_minor=12_300, currency="pln", tax_rate=Decimal(23), **price))

    def test_of_the_price_is_in_the_line_and_on_the_paper(self) -> None:
        invoice = self.taxed()

        assert (invoice.lines[0]["tax_rate"], invoice.lines[0]["tax_minor"]) == ("23", 2_300)
        text = words(render_invoice(invoice))
        assert "Algebra I 100.00 PLN 23.00 PLN 123.00 PLN including 23 % tax" in text
        assert "Total 100.00 PLN 23.00 PLN 123.00 PLN" in text

    def test_is_given_back_in_part_with_a_part_of_the_money(self) -> None:
        invoice = self.taxed()
        payment = invoice.payment
        payment.refunded_minor = 3
        payment.save()

        correction = correct_invoice(payment=payment, now=NOW)

        assert correction is not None
        assert (correction.amount_minor, correction.lines[0]["tax_minor"]) == (-3, -1)

    def test_is_not_stated_where_the_price_has_none(self) -> None:
        assert "tax" not in words(render_invoice(invoiced())).lower()


class TestTheSeller:
    def test_is_printed_with_what_the_tax_office_asks_for(self) -> None:
        price = PriceFactory()
        Seller.objects.create(
            workspace=price.workspace,
            name="Akademia Sp. z o.o.",
            tax_id="5252445767",
            address="ul. Prosta 1\n00-001 Warszawa",
            footer="KRS 0000012345",
        )

        text = words(render_invoice(invoiced(price=price)))

        assert "Akademia Sp. z o.o." in text
        assert "ul. Prosta 1" in text
        assert "Tax id 5252445767" in text
        assert text.endswith("KRS 0000012345")

    def test_of_an_issued_invoice_stays_who_it_was(self) -> None:
        invoice = invoiced()
        before = render_invoice(invoice)

        Seller.objects.create(workspace=invoice.workspace, name="Another Academy")

        assert render_invoice(Invoice.objects.get()) == before


class TestWhatIsProvided:
    @pytest.fixture(autouse=True)
    def _fall_for_lena(self) -> None:
        fall = Service("Lena", "learner-1", dt.date(2026, 9, 1), dt.date(2026, 12, 15))
        register_purpose(
            Purpose(
                name=PURPOSE,
                lock_subject=lambda subject: None,
                describe=lambda subject: ("", ""),
                find_service=lambda subject: fall,
            )
        )

    def test_is_on_the_invoice_and_its_correction_whatever_is_said_later(self) -> None:
        invoice = invoiced()
        payment = invoice.payment
        payment.refunded_minor = 3
        register_purpose(Purpose(name=PURPOSE, lock_subject=lambda subject: None, describe=lambda subject: ("", "")))

        correction = correct_invoice(payment=payment, now=NOW)

        assert correction is not None
        for paper in (invoice, correction):
            with override("es"):
                text = words(render_invoice(Invoice.objects.get(pk=paper.pk)))
            assert "for Lena September 1, 2026 to December 15, 2026" in text

    def test_is_told_to_a_vendor_without_the_name(self) -> None:
        line = InvoiceLine.read(invoiced().lines[0])

        assert line.explain("usd") == "Service September 1, 2026 to December 15, 2026. Learner learner-1"


class TestAReplacement:
    NEW = Buyer(email="books@firma.test", name="Firma", tax_id="6272616681")

    def replaced(self, invoice: Invoice) -> Invoice:
        return replace_invoice(invoice_id=invoice.pk, buyer=self.NEW, reason="Wrong buyer", actor=SYSTEM, now=NOW)

    def test_takes_the_place_of_the_canceled_one(self, world: StripeWorld) -> None:
        world.paid()
        wrong = Invoice.objects.get()

        right = self.replaced(wrong)

        wrong = Invoice.objects.get(pk=wrong.pk)
        assert (wrong.status, right.status, right.replaces) == ("cancelled", "issued", wrong)
        assert (right.buyer_name, right.buyer_tax_id, right.amount_minor) == ("Firma", "6272616681", 4900)
        assert [wrong.number[-6:], right.number[-6:]] == ["000001", "000002"]
        assert breaches() == []

    def test_and_what_it_replaces_say_so(self) -> None:
        wrong = invoiced()

        right = self.replaced(wrong)

        assert "Canceled: Wrong buyer" in words(render_invoice(Invoice.objects.get(pk=wrong.pk)))
        assert f"in place of invoice {wrong.number} of" in words(render_invoice(right))

    def test_is_what_later_refunds_correct(self, world: StripeWorld) -> None:
        payment = world.paid()
        right = self.replaced(Invoice.objects.get())

        refund(payment, 900)

        correction = Invoice.objects.get(corrects__isnull=False)
        assert (correction.corrects, correction.buyer_name) == (right, "Firma")
        assert breaches() == []

    def test_is_refused_for_what_was_corrected(self, world: StripeWorld) -> None:
        payment = world.paid()
        refund(payment, 900)
        invoice, correction = Invoice.objects.order_by("pk")

        for each in (invoice, correction):
            with pytest.raises(InvoiceNotReplaceable):
                self.replaced(each)

        assert Invoice.objects.filter(status="issued").count() == 2

    def test_happens_once(self) -> None:
        wrong = invoiced()
        self.replaced(wrong)

        with pytest.raises(InvoiceNotReplaceable, match="It is canceled"):
            self.replaced(wrong)

        assert Invoice.objects.count() == 2
