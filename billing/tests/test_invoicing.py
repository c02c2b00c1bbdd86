"""Invoices: their numbers, their corrections, their PDFs, and who may read them."""

import datetime as dt
import unicodedata
from io import BytesIO
from itertools import chain
from typing import Any

import pytest
import stripe
from django.db import IntegrityError, transaction
from django.db.models import Max
from django.test import Client
from pypdf import PdfReader

from accounts.models import User, Workspace
from accounts.states import Role
from accounts.tests.factories import (
    GuardianFactory,
    GuardianshipFactory,
    LearnerFactory,
    UserFactory,
    WorkspaceFactory,
    proven_user,
)
from backoffice.tests.staff_client import StaffClient
from billing.checkout import settle_checkout
from billing.gateways.stripe import _session
from billing.invariants import INVARIANTS
from billing.invoice_pdf import render_invoice
from billing.invoicing import (
    Buyer,
    Series,
    issue,
    issue_invoice,
    write_number,
)
from billing.models import Checkout, Invoice, InvoiceSeries, Payment
from billing.purposes import Purpose, register_purpose
from billing.refunds import record_refunds, request_refund, submit_refund
from billing.states import RefundReason
from core.actors import SYSTEM
from core.clock import utc_now
from core.invariants import Breach, Extent
from core.rows import insert_rows
from tests.processes import Failure, Meeting, at_once

from .factories import PURPOSE, CheckoutFactory, PaymentFactory, PriceFactory
from .stripe_world import StripeWorld

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2026, 9, 1, 12, tzinfo=dt.UTC)
BUYER = Buyer(email="parent@example.test", name="Zoë Łukaszewicz", address="1 Main St\nAustin, TX 78701\nUS")


def invoiced(now: dt.datetime = NOW, **checkout: Any) -> Invoice:
    """The invoice of a payment of 49.00 USD for Algebra I, as it is issued when the payment is recorded."""
    payment: Payment = PaymentFactory(checkout=CheckoutFactory(**checkout))
    return issue_invoice(payment=payment, buyer=BUYER, now=now)


def invoice_of(**buyer: str) -> Invoice:
    """An invoice to somebody of this name or address."""
    return issue_invoice(payment=PaymentFactory(), buyer=Buyer(email="parent@example.test", **buyer), now=NOW)


def refund(payment: Payment, amount: int | None, reason: RefundReason = RefundReason.REQUESTED) -> None:
    asked = request_refund(payment_id=payment.pk, amount_minor=amount, reason=reason, actor=SYSTEM, now=utc_now())
    submit_refund(refund_id=asked.pk, now=utc_now())


def breaches() -> list[Breach]:
    return [breach for invariant in INVARIANTS for breach in invariant(Extent(now=utc_now()))]


def words(pdf: bytes) -> str:
    return " ".join(" ".join(page.extract_text() for page in PdfReader(BytesIO(pdf)).pages).split())


class TestAPayment:
    def test_gets_its_invoice_with_the_money(self, world: StripeWorld) -> None:
        payment = world.paid()

        invoice = Invoice.objects.get()
        assert (invoice.payment, invoice.amount_minor, invoice.currency) == (payment, 4900, "usd")
        assert invoice.number == f"{utc_now().year}-000001"
        assert (invoice.seller_name, invoice.buyer_email) == (payment.workspace.name, "parent@example.test")
        assert invoice.lines == [
            {"description": "Algebra I", "quantity": 1, "amount_minor": 4900, "tax_rate": None, "tax_minor": 0}
        ]
        assert breaches() == []

    @pytest.mark.parametrize(
        ("zone", "number", "date"),
        [
            ("America/Chicago", "2026-000001", "December 31, 2026"),
            ("UTC", "2027-000001", "January 1, 2027"),
            ("Pacific/Kiritimati", "2027-000001", "January 1, 2027"),
        ],
    )
    def test_is_numbered_and_dated_by_the_workspaces_calendar(self, zone: str, number: str, date: str) -> None:
        payment = PaymentFactory(checkout=CheckoutFactory(price__workspace__timezone=zone))

        invoice = issue_invoice(payment=payment, buyer=BUYER, now=dt.datetime(2027, 1, 1, 1, tzinfo=dt.UTC))

        Workspace.objects.update(timezone="Pacific/Honolulu")
        invoice = Invoice.objects.get(pk=invoice.pk)
        assert invoice.number == number
        assert f"Issued on {date}" in words(render_invoice(invoice))

    def test_told_twice_gets_one_invoice(self, world: StripeWorld) -> None:
        payment = world.paid()

        settle_checkout(checkout_id=payment.checkout_id or 0, now=utc_now())
        again = issue_invoice(payment=payment, buyer=BUYER, now=utc_now())

        assert Invoice.objects.get() == again
        assert InvoiceSeries.objects.get().last_number == 1

    def test_that_did_not_fit_gets_none(self, world: StripeWorld) -> None:
        submitted = world.submitted()
        Checkout.objects.filter(pk=submitted.pk).update(amount_minor=5000)
        world.pay(submitted)
        settle_checkout(checkout_id=submitted.pk, now=utc_now())

        refund(Payment.objects.get(), None)

        assert Payment.objects.get().status == "refunded"
        assert Invoice.objects.count() == 0


class TestNumbers:
    def test_count_within_a_workspace_and_a_year(self) -> None:
        ours, theirs = PriceFactory(), PriceFactory()
        at = [NOW, NOW + dt.timedelta(days=1), NOW + dt.timedelta(days=200)]

        numbers = [invoiced(moment, price=ours).number for moment in at]
        other = invoiced(price=theirs).number

        assert numbers == ["2026-000001", "2026-000002", "2027-000001"]
        assert other == "2026-000001"

    def test_of_what_was_rolled_back_are_given_again(self) -> None:
        price = PriceFactory()
        invoiced(price=price)
        with transaction.atomic():
            invoiced(price=price)
            transaction.set_rollback(True)

        invoice = invoiced(price=price)

        assert invoice.number == "2026-000002"


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
class TestSixteenAtOnce:
    def test_take_numbers_without_a_gap(self) -> None:
        calls, workspace_id = sixteen_issuers(each=8)

        numbers = at_once(*calls)

        assert sorted(chain(*numbers)) == [f"2026-{number:06d}" for number in range(1, 129)]
        assert InvoiceSeries.objects.get(workspace=workspace_id).last_number == 128

    def test_without_the_series_would_take_the_same_number(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Negative control: reading the last number and adding one."""
        monkeypatch.setattr(issue, "take_number", Meeting(read_and_add, parties=16))
        calls, _ = sixteen_issuers(each=1)

        answers = at_once(*calls)

        refused = [answer for answer in answers if isinstance(answer, Failure)]
        assert [failure.kind for failure in refused] == ["IntegrityError"] * 15


def sixteen_issuers(*, each: int) -> tuple[list[Any], int]:
    """Processes that invoice so many payments each."""
    price = PriceFactory()
    checkouts = CheckoutFactory.build_batch(16 * each, price=price)
    insert_rows(checkouts)
    payments = [PaymentFactory.build(checkout=checkout) for checkout in checkouts]
    insert_rows(payments)

    def issue(payment_id: int) -> str:
        with transaction.atomic():
            payment = Payment.objects.select_related("workspace", "checkout__price").get(pk=payment_id)
            return issue_invoice(payment=payment, buyer=BUYER, now=NOW).number

    shares = [[payment.pk for payment in payments[place::16]] for place in range(16)]
    return [lambda share=share: [issue(pk) for pk in share] for share in shares], price.workspace_id


def read_and_add(*, workspace_id: int, series: Series, year: int) -> str:
    last = Invoice.objects.filter(workspace=workspace_id).aggregate(last=Max("number"))["last"]
    return write_number(series, year, int(last.partition("-")[2]) + 1 if last else 1)


class TestARefund:
    def test_in_part_and_then_the_rest_is_corrected_twice(self, world: StripeWorld) -> None:
        payment = world.paid()

        refund(payment, 900)
        refund(payment, None)

        invoice, part, rest = Invoice.objects.order_by("pk")
        assert [part.amount_minor, rest.amount_minor] == [-900, -4000]
        assert {part.corrects, rest.corrects} == {invoice}
        assert (part.lines[0]["description"], part.lines[0]["amount_minor"]) == ("Refund: Algebra I", -900)
        year = part.date.year
        assert [part.number, rest.number] == [f"C-{year}-000001", f"C-{year}-000002"]
        assert part.buyer_email == invoice.buyer_email
        assert breaches() == []

    @pytest.mark.sqlite
    def test_that_the_bank_sends_back_is_corrected_back(self, world: StripeWorld) -> None:
        payment = world.paid()
        refund(payment, 900)
        made = world.sandbox.ledger()["refunds"][0]["id"]

        world.sandbox.settle_refund(made, outcome="failed")
        world.tell(*world.events("refund.failed"))

        last = Invoice.objects.order_by("-id").first()
        assert last is not None
        assert (last.amount_minor, last.lines[0]["description"]) == (900, "Money that came back: Algebra I")
        assert Payment.objects.get().refunded_minor == 0

    def test_told_twice_is_corrected_once(self, world: StripeWorld) -> None:
        payment = world.paid()
        refund(payment, 900)

        record_refunds(payment_id=payment.pk, refunds=[], now=utc_now())

        assert Invoice.objects.count() == 2

    def test_leaves_the_invoice_as_it_was_issued(self, world: StripeWorld) -> None:
        payment = world.paid()
        before = render_invoice(Invoice.objects.get())

        refund(payment, None)

        assert render_invoice(Invoice.objects.get(corrects=None)) == before


class TestTheBuyer:
    def test_is_who_stripe_says_paid(self) -> None:
        body: dict[str, Any] = {
            "id": "cs_1",
            "object": "checkout.session",
            "client_reference_id": None,
            "status": "complete",
            "payment_status": "paid",
            "amount_total": 4900,
            "currency": "usd",
            "payment_intent": "pi_1",
            "url": None,
            "expires_at": 1_800_000_000,
            "metadata": {},
            "customer_details": {
                "email": "parent@example.test",
                "name": "Pat Doe",
                "address": {
                    "line1": "1 Main St",
                    "line2": None,
                    "city": "Austin",
                    "state": "TX",
                    "postal_code": "78701",
                    "country": "US",
                },
            },
        }

        snapshot = _session(stripe.checkout.Session.construct_from(body, "sk_test"))

        assert (snapshot.payer_name, snapshot.payer_email) == ("Pat Doe", "parent@example.test")
        assert snapshot.payer_address == "1 Main St\nAustin, TX 78701\nUS"


class TestThePaper:
    def test_says_number_amount_and_parties(self) -> None:
        invoice = invoiced(price=PriceFactory(workspace=WorkspaceFactory(name="Señal Ακαδημία Школа")))

        text = words(render_invoice(invoice))

        assert text == (
            "Invoice 2026-000001 Issued on September 1, 2026 From To Señal Ακαδημία Школа Zoë Łukaszewicz "
            "1 Main St Austin, TX 78701 US parent@example.test Description Amount Algebra I 49.00 USD Total 49.00 USD "
            f"Paid in full. Payment {invoice.payment_id}."
        )

    def test_of_a_correction_names_the_invoice(self, world: StripeWorld) -> None:
        payment = world.paid()
        refund(payment, 900)

        text = words(render_invoice(Invoice.objects.get(corrects__isnull=False)))

        today = utc_now()
        assert f"Correction C-{today.year}-000001 Issued on {today:%B %-d, %Y}, corrects invoice" in text
        assert f"corrects invoice {today.year}-000001 of {today:%B %-d, %Y}" in text
        assert "Refund: Algebra I -9.00 USD Total -9.00 USD" in text

    def test_takes_any_text_as_text(self) -> None:
        invoice = invoiced(description="<b>& " + "very " * 30 + "x" * 40)

        assert "<b>& very very" in words(render_invoice(invoice))

    @pytest.mark.parametrize(
        ("name", "printed"),
        [
            ("Əhməd Əliyev", "Əhməd Əliyev"),
            ("Ελένη Παπαδοπούλου", "Ελένη Παπαδοπούλου"),
            ("משה כהן", "משה כהן"),
            ("محمد بن علي", "محمد بن علي"),
            ("王小明", "王小明"),
            ("山田たろう", "山田たろう"),
            ("김민수", "김민수"),
            ("สมชาย", "สมชาย"),
            ("मनम", "मनम"),
            ("\N{GRINNING FACE}", "[grinning face]"),
            ("\N{RUNIC LETTER FEHU FEOH FE F}", "[U+16A0]"),
        ],
    )
    def test_prints_the_buyer_in_any_script(self, name: str, printed: str) -> None:
        paper = words(render_invoice(invoice_of(name=name)))

        assert printed in unicodedata.normalize("NFKC", paper)

    @pytest.mark.parametrize(
        "address",
        ["\n".join(f"Line {n} of it" for n in range(60)), "Lane " * 499 + "Lane", "x" * 2_500, "街" * 2_500],
        ids=["60 lines", "2,500 characters in words", "2,500 letters", "2,500 Chinese letters"],
    )
    def test_prints_an_address_of_any_length(self, address: str) -> None:
        pages = PdfReader(BytesIO(render_invoice(invoice_of(address=address)))).pages

        texts = [page.extract_text() for page in pages]
        assert texts[1].startswith("From\nTo\n")  # the headings are repeated
        assert "".join(texts).count(address[-1]) >= address.count(address[-1])
        assert "Total\n49.00 USD" in "".join(texts)

    def test_is_the_same_each_time(self) -> None:
        invoice = invoiced()

        assert render_invoice(invoice) == render_invoice(Invoice.objects.get())


class TestTheInvoicePage:
    def open(self, user: User | None, invoice: Invoice) -> Any:
        client = Client()
        if user is not None:
            client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        return client.get(f"/my/invoices/{invoice.cuid}.pdf")

    def test_gives_the_payer_their_invoice(self) -> None:
        invoice = invoiced()

        response = self.open(proven_user("parent@example.test"), invoice)

        assert (response.status_code, response["Content-Type"]) == (200, "application/pdf")
        assert response["Content-Disposition"] == 'inline; filename="invoice-2026-000001.pdf"'
        assert "Invoice 2026-000001" in words(response.content)

    def test_gives_it_to_the_learner_s_guardian(self) -> None:
        guardianship = GuardianshipFactory()
        invoice = self.paid_for(guardianship.learner)

        response = self.open(proven_user(guardianship.guardian.email), invoice)

        assert response.status_code == 200

    def test_shows_nothing_to_another_guardian(self) -> None:
        invoice = self.paid_for(LearnerFactory())

        response = self.open(proven_user(GuardianFactory().email), invoice)

        assert response.status_code == 404

    def test_shows_nothing_to_an_address_without_proof(self) -> None:
        response = self.open(UserFactory(email="parent@example.test"), invoiced())

        assert response.status_code == 403
        assert "Confirm your address first" in response.content.decode()

    def test_sends_everybody_else_to_sign_in(self) -> None:
        response = self.open(None, invoiced())

        assert response.status_code == 302
        assert response["Location"].startswith("/accounts/login/code/?next=/my/invoices/")

    def paid_for(self, learner: Any) -> Invoice:
        register_purpose(
            Purpose(
                name=PURPOSE,
                lock_subject=lambda subject: None,
                describe=lambda subject: (subject, ""),
                find_learner_id=int,
            )
        )
        return invoiced(subject=str(learner.pk), price=PriceFactory(workspace=learner.workspace))


class TestTheBackOffice:
    def test_lets_staff_download_the_paper(self) -> None:
        invoice = invoiced()
        staff = StaffClient(workspace=invoice.workspace, role=Role.VIEWER)

        response = staff.get(f"/admin/billing/invoice/{invoice.pk}/pdf/")

        assert response["Content-Disposition"] == 'attachment; filename="invoice-2026-000001.pdf"'
        assert "Invoice 2026-000001" in words(response.content)

    def test_shows_another_workspace_nothing(self) -> None:
        invoice = invoiced()
        staff = StaffClient(workspace=WorkspaceFactory(), role=Role.OWNER)

        assert staff.get(f"/admin/billing/invoice/{invoice.pk}/pdf/").status_code == 404


@pytest.mark.sqlite
class TestAnInvoice:
    def test_exists_once_for_a_payment_says_the_database(self) -> None:
        invoice = invoiced()
        fields = {field.attname: getattr(invoice, field.attname) for field in Invoice._meta.concrete_fields}

        with pytest.raises(IntegrityError), transaction.atomic():
            Invoice.objects.create(**{**fields, "id": None, "cuid": "c2", "number": "2026-000002"})

        assert Invoice.objects.count() == InvoiceSeries.objects.get().last_number == 1
