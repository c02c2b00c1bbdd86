"""Invoices issued by Fakturownia, through the sandbox's stand-in: each once, in order, whatever happens on the way."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from accounts.models import StaffTask, Workspace
from accounts.tests.factories import WorkspaceFactory, proven_user
from billing.errors import InvoiceRefused
from billing.gateways import fakturownia
from billing.gateways.invoices import IssuedDocument
from billing.invoicing import (
    Buyer,
    correct_invoice,
    issue_invoice,
    issue_requested,
    record_issued_by_hand,
    replace_invoice,
    retry_invoice,
    ring_for_due_invoices,
    vendor,
)
from billing.models import Invoice, Payment, Seller
from billing.states import InvoiceStatus
from core.actors import SYSTEM
from core.clock import utc_now
from core.errors import Invalid
from sandbox.testing import SandboxProcess

from .factories import CheckoutFactory, PriceFactory, paid

pytestmark = pytest.mark.django_db

MINUTE = dt.timedelta(minutes=1)
BUYER = Buyer(email="parent@example.test", name="Zoë Łukaszewicz", address="ul. Nowa 44\n30-314 Kraków")
PATH = "/fakturownia/acme/invoices.json"


class Account:
    """A workspace's account at Fakturownia, and the payments it receives."""

    def __init__(self, sandbox: SandboxProcess) -> None:
        sandbox.reset()
        fakturownia._breaker_of.cache_clear()
        self.sandbox = sandbox
        sandbox.invoicing("acme", api_token="secret")
        self.workspace: Workspace = WorkspaceFactory(timezone="Europe/Warsaw")
        self.seller = Seller.objects.create(
            workspace=self.workspace,
            name="Akademia Sp. z o.o.",
            tax_id="5252445767",
            address="ul. Prosta 1\n00-001 Warszawa",
            provider="fakturownia",
            base_url=f"{sandbox.url}/fakturownia/acme",
            api_token="secret",
        )
        self.now = utc_now()

    def payment(self, amount: int = 12_300, rate: str | None = "23") -> Payment:
        price = PriceFactory(
            workspace=self.workspace, amount_minor=amount, currency="pln", tax_rate=rate and Decimal(rate)
        )
        return paid(checkout=CheckoutFactory(price=price))

    def invoiced(self, buyer: Buyer = BUYER, **payment: Any) -> Invoice:
        return issue_invoice(payment=self.payment(**payment), buyer=buyer, now=self.now)

    def refunded(self, invoice: Invoice, minor: int) -> Invoice | None:
        payment = Payment.objects.get(pk=invoice.payment_id)
        payment.refunded_minor = minor
        payment.save(update_fields=["refunded_minor"])
        return correct_invoice(payment=payment, now=self.now)

    def work(self, *, after: dt.timedelta = dt.timedelta(0)) -> int:
        """Let the worker continue, `after` this much time."""
        self.now += after
        return issue_requested(workspace_id=self.workspace.pk, now=self.now)

    def books(self) -> list[dict[str, Any]]:
        documents: list[dict[str, Any]] = self.sandbox.invoicing("acme")["documents"]
        return documents


@pytest.fixture
def account(sandbox_process: SandboxProcess) -> Account:
    return Account(sandbox_process)


def statuses() -> list[str]:
    return list(Invoice.objects.order_by("pk").values_list("status", flat=True))


class TestAnInvoice:
    @pytest.mark.sqlite
    def test_has_the_vendors_number(self, account: Account) -> None:
        invoice = account.invoiced()
        assert (invoice.status, invoice.number) == ("requested", "")

        assert account.work() == 1

        invoice = Invoice.objects.get()
        (document,) = account.books()
        assert (invoice.status, invoice.number) == ("issued", document["number"])
        assert (invoice.external_id, invoice.next_attempt_at) == (str(document["id"]), None)

    def test_says_at_the_vendor_what_it_says_here(self, account: Account) -> None:
        invoice = account.invoiced(Buyer(email="books@firma.test", name="Firma", tax_id="6272616681"))

        account.work()

        (document,) = account.books()
        assert (document["oid"], document["kind"], document["currency"]) == (invoice.cuid, "vat", "PLN")
        assert (document["seller_name"], document["seller_tax_no"]) == ("Akademia Sp. z o.o.", "5252445767")
        assert (document["buyer_name"], document["buyer_tax_no"]) == ("Firma", "6272616681")
        assert document["positions"] == [
            {"name": "Algebra I", "quantity": 1, "total_price_gross": "123.00", "tax": "23"}
        ]
        assert (document["price_gross"], document["price_tax"]) == ("123.00", "23.00")
        assert invoice.lines[0]["tax_minor"] == 2300

    def test_without_a_tax_rate_states_no_tax(self, account: Account) -> None:
        account.invoiced(rate=None)

        account.work()

        assert account.books()[0]["positions"][0]["tax"] == "disabled"

    def test_is_asked_for_when_the_bell_was_lost(self, account: Account) -> None:
        account.invoiced()

        assert ring_for_due_invoices(now=account.now) == 1
        account.work()
        assert ring_for_due_invoices(now=account.now) == 0

    def test_whose_answer_was_lost_is_not_issued_twice(self, account: Account) -> None:
        account.invoiced()
        account.sandbox.faults(lost_answer={"value": "close", "times": 1, "path": PATH, "method": "POST"})

        account.work()
        assert (statuses(), len(account.books())) == (["requested"], 1)
        account.work(after=MINUTE)

        assert Invoice.objects.get().number == account.books()[0]["number"]
        assert len(account.books()) == 1

    def test_whose_worker_died_before_it_wrote_is_not_issued_twice(
        self, account: Account, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        account.invoiced()
        with monkeypatch.context() as death:
            death.setattr(vendor, "_record_issued", lambda *_: (_ for _ in ()).throw(SystemExit))
            with pytest.raises(SystemExit):
                account.work()
        assert (statuses(), len(account.books())) == (["requested"], 1)

        account.work(after=4 * MINUTE)

        assert [document["number"] for document in account.books()] == [Invoice.objects.get().number]

    def test_not_looked_for_first_would_be_refused_for_its_own_double(
        self, account: Account, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Negative control: the vendor's `oid_unique` still stops the second document."""
        account.invoiced()
        account.sandbox.faults(lost_answer={"value": "close", "times": 1, "path": PATH, "method": "POST"})
        account.work()
        monkeypatch.setattr(fakturownia.FakturowniaGateway, "find", lambda *_: None)

        account.work(after=MINUTE)

        assert (statuses(), len(account.books())) == (["failed"], 1)
        assert "has already been taken" in Invoice.objects.get().last_error

    @pytest.mark.parametrize("answer", [{"rate_limit": True}, {"server_error": True}, {"refusal": True}])
    def test_waits_while_the_vendor_does_not_serve(self, account: Account, answer: dict[str, Any]) -> None:
        account.invoiced()
        account.sandbox.faults(**{name: {"value": value, "times": 1} for name, value in answer.items()})

        account.work()

        invoice = Invoice.objects.get()
        assert (invoice.status, invoice.attempts) == ("requested", 1)
        assert invoice.next_attempt_at is not None
        assert invoice.next_attempt_at > account.now
        assert StaffTask.objects.count() == 0

    def test_waits_for_a_token_that_is_taken(self, account: Account) -> None:
        account.sandbox.invoicing("acme", api_token="another")
        account.invoiced()

        account.work()

        assert (statuses(), Invoice.objects.get().last_error) == (["requested"], "Fakturownia answered 401.")


class TestTheOrder:
    def test_is_kept_when_the_vendor_was_away_for_a_day(self, account: Account) -> None:
        invoices = [account.invoiced() for _ in range(3)]
        account.refunded(invoices[0], 2_300)
        account.sandbox.faults(server_error=True)
        for _ in range(48):
            account.work(after=30 * MINUTE)
            fakturownia._breaker_of.cache_clear()
        assert statuses() == ["requested"] * 4

        account.sandbox.clear_faults()
        account.work(after=60 * MINUTE)

        documents = account.books()
        assert [document["oid"] for document in documents] == list(
            Invoice.objects.order_by("pk").values_list("cuid", flat=True)
        )
        assert statuses() == ["issued"] * 4
        assert [document["number"][:1] for document in documents] == ["1", "2", "3", "K"]

    def test_of_one_that_is_refused_holds_up_nobody(self, account: Account) -> None:
        account.invoiced(Buyer(email="books@firma.test", name="Firma", tax_id="1234567890"))
        account.invoiced()

        account.work()

        assert statuses() == ["failed", "issued"]
        assert "buyer_tax_no" in Invoice.objects.order_by("pk")[0].last_error
        assert StaffTask.objects.get().kind == "invoice_failed"

    def test_of_one_whose_number_another_has_holds_up_nobody(self, account: Account) -> None:
        """The seller's new account counts from one again."""
        account.invoiced()
        account.work()
        account.sandbox.reset()
        account.sandbox.invoicing("acme", api_token="secret")
        account.invoiced()
        account.invoiced()

        account.work()

        number = account.books()[0]["number"]
        failed = Invoice.objects.get(status="failed")
        assert statuses() == ["issued", "failed", "issued"]
        assert failed.last_error == f"It was issued as {number}, which is the number of another document."
        assert StaffTask.objects.get().subject == f"invoice:{failed.pk}"

    def test_keeps_a_correction_behind_a_failed_invoice(self, account: Account) -> None:
        failed = account.invoiced(Buyer(email="books@firma.test", name="Firma", tax_id="1234567890"))
        account.work()
        account.refunded(failed, 12_300)

        account.work()

        assert statuses() == ["failed", "requested"]


class TestACorrection:
    def test_states_what_was_and_what_is(self, account: Account) -> None:
        invoice = account.invoiced()
        account.work()
        account.refunded(invoice, 2_300)
        account.work()
        account.refunded(invoice, 12_300)
        account.work()

        first, second = account.books()[1:]
        assert [first["invoice_id"], second["invoice_id"]] == [str(account.books()[0]["id"])] * 2
        assert first["correction_reason"] == "Refund"
        (position,) = first["positions"]
        assert position["total_price_gross"] == "-23.00"
        assert position["correction_before_attributes"]["total_price_gross"] == "123.00"
        assert position["correction_after_attributes"]["total_price_gross"] == "100.00"
        (position,) = second["positions"]
        assert position["correction_before_attributes"]["total_price_gross"] == "100.00"
        assert position["correction_after_attributes"]["total_price_gross"] == "0.00"


class TestARefusal:
    @pytest.fixture
    def refused(self, account: Account) -> Invoice:
        account.invoiced(Buyer(email="books@firma.test", name="Firma", tax_id="1234567890"))
        account.work()
        return Invoice.objects.get()

    def test_can_be_tried_again(self, account: Account, refused: Invoice) -> None:
        retry_invoice(invoice_id=refused.pk, actor=SYSTEM, now=account.now)

        assert (statuses(), StaffTask.objects.get().status) == (["requested"], "done")

    def test_can_be_settled_by_a_document_issued_by_hand(self, account: Account, refused: Invoice) -> None:
        record_issued_by_hand(
            invoice_id=refused.pk, number="17/11/2026", date=dt.date(2026, 11, 28), actor=SYSTEM, now=account.now
        )

        invoice = Invoice.objects.get()
        assert (invoice.status, invoice.number, str(invoice.date)) == ("issued", "17/11/2026", "2026-11-28")
        assert StaffTask.objects.get().status == "done"

    def test_is_not_settled_by_the_number_of_another_document(self, account: Account, refused: Invoice) -> None:
        issued = account.invoiced()
        account.work()
        number = Invoice.objects.get(pk=issued.pk).number

        with pytest.raises(Invalid, match=f"Another document has the number {number}"):
            record_issued_by_hand(
                invoice_id=refused.pk, number=number, date=dt.date(2026, 11, 28), actor=SYSTEM, now=account.now
            )

        assert statuses() == ["failed", "issued"]
        assert StaffTask.objects.get().status == "open"


class TestADocumentIssuedByHand:
    """The vendor does not know it, so it can neither correct nor cancel it."""

    @pytest.fixture
    def by_hand(self, account: Account) -> Invoice:
        refused = account.invoiced(Buyer(email="books@firma.test", name="Firma", tax_id="1234567890"))
        account.work()
        return record_issued_by_hand(
            invoice_id=refused.pk, number="17/11/2026", date=dt.date(2026, 11, 28), actor=SYSTEM, now=account.now
        )

    def test_is_corrected_by_hand(self, account: Account, by_hand: Invoice) -> None:
        correction = account.refunded(by_hand, 2_300)
        assert correction is not None

        account.work()

        assert (account.books(), statuses()) == ([], ["issued", "failed"])
        assert StaffTask.objects.get(status="open").summary == (
            "Invoice 17/11/2026 was issued by hand. Issue its correction by hand too."
        )
        record_issued_by_hand(
            invoice_id=correction.pk, number="K17/11/2026", date=dt.date(2026, 11, 29), actor=SYSTEM, now=account.now
        )
        assert statuses() == ["issued", "issued"]

    def test_is_canceled_by_hand_once_it_is_replaced(self, account: Account, by_hand: Invoice) -> None:
        replace_invoice(invoice_id=by_hand.pk, buyer=BUYER, reason="Wrong buyer", actor=SYSTEM, now=account.now)

        account.work()

        assert statuses() == ["cancelled", "issued"]
        assert StaffTask.objects.get(status="open").summary == (
            "Invoice 17/11/2026 was issued by hand. Cancel it by hand too."
        )
        assert Invoice.objects.filter(next_attempt_at__isnull=False).count() == 0


class TestTheTaxOffice:
    def test_is_asked_after_until_it_has_answered(self, account: Account) -> None:
        account.sandbox.invoicing("acme", reports=True)
        account.invoiced()
        account.work()
        account.work(after=11 * MINUTE)
        assert Invoice.objects.get().e_invoice_state == "processing"

        account.sandbox.control("fakturownia/acme/tax-office", {"answer": "ok"})
        account.work(after=11 * MINUTE)

        invoice = Invoice.objects.get()
        assert (invoice.e_invoice_state, invoice.next_attempt_at) == ("ok", None)


class TestAReplacement:
    def test_cancels_at_the_vendor_and_is_issued(self, account: Account) -> None:
        wrong = account.invoiced()
        account.work()

        new = Buyer(email="books@firma.test", name="Firma", tax_id="6272616681")
        replace_invoice(invoice_id=wrong.pk, buyer=new, reason="Wrong buyer", actor=SYSTEM, now=account.now)
        account.work()

        assert [(each["cancelled"], each["buyer_name"]) for each in account.books()] == [
            (True, "Zoë Łukaszewicz"),
            (False, "Firma"),
        ]
        assert statuses() == ["cancelled", "issued"]
        assert Invoice.objects.filter(next_attempt_at__isnull=False).count() == 0

    @pytest.mark.parametrize("is_known", [True, False])
    def test_made_while_the_tax_office_is_asked_still_cancels_at_the_vendor(
        self, account: Account, monkeypatch: pytest.MonkeyPatch, is_known: bool
    ) -> None:
        account.sandbox.invoicing("acme", reports=True)
        wrong = account.invoiced()
        account.work()
        retrieve = fakturownia.FakturowniaGateway.retrieve

        def replace_and_retrieve(gateway: fakturownia.FakturowniaGateway, document_id: str) -> IssuedDocument:
            replace_invoice(invoice_id=wrong.pk, buyer=BUYER, reason="Wrong buyer", actor=SYSTEM, now=account.now)
            if not is_known:
                raise InvoiceRefused("There is no such document.")
            return retrieve(gateway, document_id)

        account.sandbox.control("fakturownia/acme/tax-office", {"answer": "ok"})
        with monkeypatch.context() as meanwhile:
            meanwhile.setattr(fakturownia.FakturowniaGateway, "retrieve", replace_and_retrieve)
            account.work(after=11 * MINUTE)
        account.work(after=11 * MINUTE)

        assert [each["cancelled"] for each in account.books()] == [True, False]
        assert Invoice.objects.get(pk=wrong.pk).cancel_requested_at is None
        assert StaffTask.objects.count() == 0


class TestThePage:
    def test_says_that_it_is_being_issued_and_then_has_it(self, account: Account) -> None:
        invoice = account.invoiced()
        client = Client()
        client.force_login(proven_user("parent@example.test"))
        address = f"/my/invoices/{invoice.cuid}.pdf"

        before = client.get(address)
        account.work()
        after = client.get(address)
        account.sandbox.faults(server_error=True)
        away = client.get(address)

        assert (before.status_code, "is being issued" in before.content.decode()) == (202, True)
        assert (after.status_code, after["Content-Type"]) == (200, "application/pdf")
        assert after["Content-Disposition"].startswith('inline; filename="invoice-1-')
        assert after.content.startswith(b"%PDF")
        assert (away.status_code, away["Retry-After"]) == (503, "60")

    def test_of_one_that_the_service_did_not_issue_promises_no_minutes(self, account: Account) -> None:
        invoice = account.invoiced()
        Invoice.objects.filter(pk=invoice.pk).update(status=InvoiceStatus.FAILED)
        client = Client()
        client.force_login(proven_user("parent@example.test"))

        page = client.get(f"/my/invoices/{invoice.cuid}.pdf")

        text = page.content.decode()
        assert (page.status_code, page["Retry-After"]) == (202, "60")
        assert "Your payment has arrived. Its invoice could not be issued yet, and staff have been told." in text
        assert "few minutes" not in text
