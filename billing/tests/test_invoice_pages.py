"""The buttons of an invoice's page: asking the vendor again, recording what was issued by hand, replacing."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.urls import reverse

from accounts.states import Role
from backoffice.tests.staff_client import StaffClient, said
from billing.invoicing import Buyer, issue_invoice
from billing.models import Invoice
from core.clock import utc_now

from .factories import PriceFactory, paid

pytestmark = pytest.mark.django_db

BUYER = {"name": "Kim Doe", "tax_id": "525", "address": "1 Main St", "email": "parent@example.test"}


def issued(**price: Any) -> Invoice:
    return issue_invoice(payment=paid(checkout__price=PriceFactory(**price)), buyer=Buyer(**BUYER), now=utc_now())


def failed() -> Invoice:
    """Return a document that the vendor refused for good."""
    invoice = issued()
    told = {"status": "failed", "provider": "fakturownia", "number": "", "issued_at": None, "attempts": 12}
    Invoice.objects.filter(pk=invoice.pk).update(**told)
    return Invoice.objects.get(pk=invoice.pk)


def finance_of(invoice: Invoice) -> StaffClient:
    return StaffClient(workspace=invoice.workspace, role=Role.FINANCE)


def page(button: str, invoice: Invoice) -> str:
    return reverse(f"admin:billing_invoice_{button}", args=[invoice.pk])


class TestADocumentThatTheVendorRefused:
    def test_is_asked_for_again_from_the_first_attempt(self) -> None:
        invoice = failed()

        answer = finance_of(invoice).post(page("try_again", invoice))

        invoice = Invoice.objects.get(pk=invoice.pk)
        assert said(answer) == ["The invoicing service will be asked again in a moment."]
        assert (invoice.status, invoice.attempts, invoice.number) == ("requested", 0, "")

    def test_is_recorded_under_the_number_that_staff_gave_it(self) -> None:
        invoice = failed()

        answer = finance_of(invoice).post(page("issued_by_hand", invoice), {"number": "FV/7", "date": "2026-09-03"})

        invoice = Invoice.objects.get(pk=invoice.pk)
        assert said(answer) == ["It is recorded as FV/7."]
        assert (invoice.status, invoice.number, invoice.external_id) == ("issued", "FV/7", "")
        assert invoice.issued_on == dt.date(2026, 9, 3)

    def test_is_not_recorded_under_the_number_of_another_one(self) -> None:
        invoice = failed()
        other = issued()
        Invoice.objects.filter(pk=other.pk).update(
            workspace=invoice.workspace, number="FV/7", provider=invoice.provider
        )

        answer = finance_of(invoice).post(page("issued_by_hand", invoice), {"number": "FV/7", "date": "2026-09-03"})

        assert answer.context["form"].errors == {"number": ["Another document has the number FV/7."]}
        invoice = Invoice.objects.get(pk=invoice.pk)
        assert (invoice.status, invoice.number) == ("failed", "")

    @pytest.mark.parametrize("button", ["try_again", "issued_by_hand"])
    def test_alone_is_asked_for_again_or_recorded_by_hand(self, button: str) -> None:
        invoice = issued()

        answer = finance_of(invoice).post(page(button, invoice), {"number": "FV/7", "date": "2026-09-03"})

        assert "is no longer possible" in said(answer)[0]
        assert Invoice.objects.get().number == invoice.number


class TestReplacing:
    TYPED = {**BUYER, "name": "Doe Ltd", "tax_id": "777", "address": "2 Side St", "reason": "Wrong buyer"}

    def test_begins_with_the_old_buyer(self) -> None:
        invoice = issued()

        form = finance_of(invoice).get(page("replace", invoice)).context["form"]

        assert {name: form[name].value() for name in BUYER} == BUYER
        assert form["reason"].value() is None

    def test_is_previewed(self) -> None:
        invoice = issued()

        answer = finance_of(invoice).post(page("replace", invoice), self.TYPED)

        ((_, preview),) = answer.context["previews"]
        assert preview.sentences == (
            f"Invoice {invoice.number} over 49.00 USD is canceled, and keeps its number.",
            "A new invoice over 49.00 USD is issued to Doe Ltd, with the next number.",
            "No money moves.",
        )
        assert Invoice.objects.get().status == "issued"

    def test_cancels_it_and_leads_to_the_new_one(self) -> None:
        invoice = issued()

        answer = finance_of(invoice).confirm(page("replace", invoice), self.TYPED)

        old, new = Invoice.objects.order_by("pk")
        assert said(answer) == [f"{invoice} is canceled. This one replaces it."]
        assert answer.url == page("change", new)
        assert (old.status, old.reason, old.buyer_name) == ("cancelled", "Wrong buyer", "Kim Doe")
        assert (new.replaces, new.amount_minor, new.status) == (old, 4900, "issued")
        assert (new.buyer_name, new.buyer_tax_id, new.buyer_address, new.buyer_email) == (
            "Doe Ltd",
            "777",
            "2 Side St",
            "parent@example.test",
        )

    def test_of_a_corrected_one_is_refused_before_it_is_confirmed(self) -> None:
        invoice = issued()
        Invoice.objects.filter(pk=issued().pk).update(corrects=invoice, payment=invoice.payment)

        answer = finance_of(invoice).post(page("replace", invoice), self.TYPED)

        told = "It has been corrected. Ask your accountant: both documents are in the books."
        assert answer.context["form"].non_field_errors() == [told]

    def test_is_not_offered_for_a_correction(self) -> None:
        invoice = issued()
        correction = issued()
        Invoice.objects.filter(pk=correction.pk).update(corrects=invoice, payment=invoice.payment)

        answer = finance_of(correction).confirm(page("replace", correction), self.TYPED)

        assert "is no longer possible" in said(answer)[0]
        assert Invoice.objects.filter(status="issued").count() == 2


class TestThePage:
    def shown(self, invoice: Invoice) -> str:
        return finance_of(invoice).get(page("change", invoice)).content.decode()

    @pytest.mark.parametrize(
        ("rate", "told", "missing"), [(Decimal(23), "9.16 USD", "None stated"), (None, "None stated", "9.16 USD")]
    )
    def test_states_the_tax(self, rate: Decimal | None, told: str, missing: str) -> None:
        text = self.shown(issued(tax_rate=rate))

        assert told in text
        assert missing not in text

    def test_shows_the_vendors_part_of_a_document_that_one_issues(self) -> None:
        assert "At the invoicing service" in self.shown(failed())
        assert "At the invoicing service" not in self.shown(issued())

    def test_links_the_paper_once_there_is_a_number(self) -> None:
        invoice = issued()
        refused = failed()

        assert page("pdf", invoice) in self.shown(invoice)
        assert page("pdf", refused) not in self.shown(refused)
        assert "Not issued yet" in self.shown(refused)


class TestThePaper:
    def test_is_a_file_named_by_its_number(self) -> None:
        invoice = issued()

        answer = finance_of(invoice).get(page("pdf", invoice))

        name = f"invoice-{invoice.number.replace('/', '-')}.pdf"
        assert answer["Content-Disposition"] == f'attachment; filename="{name}"'
        assert (answer["Content-Type"], answer.content[:4]) == ("application/pdf", b"%PDF")

    @pytest.mark.parametrize(
        ("status", "words"),
        [
            ("requested", "It is being issued. Look again in a few minutes."),
            ("failed", "The invoicing service did not issue it. Try again, or issue it by hand."),
        ],
    )
    def test_of_one_that_is_not_issued_is_refused_in_words(self, status: str, words: str) -> None:
        invoice = failed()
        Invoice.objects.filter(pk=invoice.pk).update(status=status)

        answer = finance_of(invoice).get(page("pdf", invoice))

        assert answer["Location"] == page("change", invoice)
        assert said(answer) == [words]

    def test_of_another_workspace_is_not_there(self) -> None:
        assert finance_of(issued()).get(page("pdf", issued())).status_code == 404
