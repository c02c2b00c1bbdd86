"""What staff are told before they act on books, invoices, and codes is what then happens."""

import datetime as dt
from types import SimpleNamespace
from typing import Any

import pytest

from accounts.tests.factories import WorkspaceFactory
from billing.admin.books import foresee_close
from billing.admin.invoices import foresee_replacement
from billing.admin.vouchers import foresee_codes, foresee_limits
from billing.balance import find_refundable, refundable_minor
from billing.closing import close_month
from billing.consequences import tell_correction, tell_end_of_checkout
from billing.discounts.batch import Terms, change_voucher, make_vouchers
from billing.errors import InvoiceNotReplaceable, MonthNotClosable
from billing.invoicing import Buyer, correct_invoice, issue_invoice, replace_invoice
from billing.models import Discount, Invoice, LedgerLine, Mismatch, Payment, Refund, Voucher
from billing.states import DiscountSource, VoucherKind
from core.actors import Actor
from core.clock import utc_now
from core.errors import Invalid
from core.money import Money

from .factories import FEE_MINOR, CheckoutFactory, paid, paid_out

pytestmark = pytest.mark.django_db
FINANCE = Actor("user", 7)
IN_JULY = dt.datetime(2026, 7, 20, 12, tzinfo=dt.UTC)
JULY, AUGUST = dt.date(2026, 7, 1), dt.date(2026, 8, 1)


def answers(**given: Any) -> Any:
    return SimpleNamespace(cleaned_data=given)


class TestACorrection:
    @pytest.mark.parametrize(
        ("number", "document"), [("FV/7", "invoice FV/7"), ("", "the invoice that has not been issued yet")]
    )
    def test_is_said_to_follow_of_the_document_that_there_is(self, number: str, document: str) -> None:
        payment = paid()
        invoice = issue_invoice(payment=payment, buyer=Buyer("parent@home.test"), now=IN_JULY)
        state = {"status": "issued"} if number else {"status": "failed", "issued_at": None, "provider": "fakturownia"}
        Invoice.objects.filter(pk=invoice.pk).update(number=number, **state)

        assert tell_correction(payment) == [f"A correction of {document} follows once the money is back."]
        assert tell_correction(paid()) == []


class TestAClose:
    def test_writes_the_lines_and_sums_that_it_said(self) -> None:
        payment = paid()
        issue_invoice(payment=payment, buyer=Buyer("parent@home.test"), now=IN_JULY)
        line = paid_out(payment)
        Payment.objects.filter(pk=payment.pk).update(paid_at=IN_JULY)
        type(line).objects.update(moved_at=IN_JULY)
        told = []
        for month in (JULY, AUGUST):
            asked = answers(workspace=payment.workspace, month=month, note="")
            told.append(foresee_close(None, asked).sentences[1:])
            close_month(workspace_id=payment.workspace_id, month=month, note="", actor=FINANCE, now=utc_now())

        assert LedgerLine.objects.filter(month=JULY).count() == 2
        assert told == [
            ("Lines to write: 2.", f"Stripe fees: {Money(-FEE_MINOR, 'usd')}.", "Payments: 49.00 USD."),
            ("Lines to write: 0.",),
        ]
        with pytest.raises(MonthNotClosable, match="closed already"):
            foresee_close(None, answers(workspace=payment.workspace, month=JULY, note=""))

    def test_says_what_stands_in_its_way_and_which_mismatches_stay(self) -> None:
        workspace = WorkspaceFactory()
        Mismatch.objects.create(
            workspace=workspace,
            kind="fee",
            subject="payment:1",
            amount_minor=900,
            currency="usd",
            happened_at=IN_JULY,
            found_at=IN_JULY,
        )
        asked = {"workspace": workspace, "month": JULY}

        with pytest.raises(MonthNotClosable, match="Open mismatches: 1"):
            foresee_close(None, answers(**asked, note=""))
        told = foresee_close(None, answers(**asked, note="Known")).sentences

        assert told[-1] == "Open mismatches, which stay as they are: 1."


class TestAReplacement:
    def test_voids_the_one_and_issues_the_other_as_it_said(self) -> None:
        payment = paid()
        invoice = issue_invoice(payment=payment, buyer=Buyer("parent@home.test"), now=utc_now())
        buyer = Buyer("office@firm.test", name="Firm")

        told = foresee_replacement(invoice, SimpleNamespace(buyer=lambda: buyer)).sentences  # type: ignore[arg-type]
        made = replace_invoice(invoice_id=invoice.pk, buyer=buyer, reason="Name", actor=FINANCE, now=utc_now())

        assert told == (
            f"Invoice {invoice.number} over 49.00 USD is canceled, and keeps its number.",
            "A new invoice over 49.00 USD is issued to Firm, with the next number.",
            "No money moves.",
        )
        invoice.refresh_from_db(fields=["number"])
        assert (made.money, made.buyer_name, made.number > invoice.number) == (Money(4900, "usd"), "Firm", True)

    def test_is_refused_before_it_is_asked_for(self) -> None:
        payment = paid()
        invoice = issue_invoice(payment=payment, buyer=Buyer("parent@home.test"), now=utc_now())
        payment.refunded_minor = 900
        correct_invoice(payment=payment, now=utc_now())

        with pytest.raises(InvoiceNotReplaceable):
            foresee_replacement(invoice, SimpleNamespace(buyer=lambda: Buyer("a@b.test")))  # type: ignore[arg-type]


class TestCodes:
    def test_take_off_at_most_what_was_said(self) -> None:
        terms = Terms(VoucherKind.AMOUNT, amount=Money(500, "usd"), most_uses=2, valid_until=dt.date(2099, 6, 30))
        asked: dict[str, Any] = {
            "workspace_id": WorkspaceFactory().pk,
            "count": 3,
            "code": "",
            "batch": "",
            "terms": terms,
        }

        told = foresee_codes(None, SimpleNamespace(asked=lambda: asked)).sentences  # type: ignore[arg-type]
        made = make_vouchers(**asked, now=utc_now())

        assert told == (
            "Codes to create: 3, all different.",
            "Each takes off: 5.00 USD.",
            "They can be used 6 times in all.",
            "At most 30.00 USD are taken off in all.",
            "They hold to Jun 30, 2099.",
        )
        assert sum((voucher.most_uses or 0) * (voucher.amount_minor or 0) for voucher in made) == 3000

    def test_that_are_taken_or_without_a_limit_are_said_to_be(self) -> None:
        workspace = WorkspaceFactory()
        asked: dict[str, Any] = {
            "workspace_id": workspace.pk,
            "count": 1,
            "code": "SPRING",
            "terms": Terms(VoucherKind.FREE),
        }
        form: Any = SimpleNamespace(asked=lambda: asked)

        told = foresee_codes(None, form).sentences
        make_vouchers(**asked, now=utc_now())

        assert told == ("Made: SPRING.", "Each takes off: Everything.", "There is no limit on their use.")
        with pytest.raises(Invalid):
            foresee_codes(None, form)


class TestLimits:
    def test_leave_as_many_uses_as_was_said(self) -> None:
        terms = Terms(VoucherKind.AMOUNT, amount=Money(500, "usd"), most_uses=2)
        workspace_id = WorkspaceFactory().pk
        [made] = make_vouchers(workspace_id=workspace_id, count=1, code="", batch="", terms=terms, now=utc_now())
        Voucher.objects.update(uses=2)
        made.refresh_from_db()
        asked: dict[str, Any] = {"most_uses": 5, "most_uses_per_family": None, "valid_from": None, "valid_until": None}

        def told(**fields: Any) -> tuple[str, ...]:
            return foresee_limits(made, answers(**asked | {"active": True} | fields)).sentences

        raised = told()
        changed = change_voucher(voucher_id=made.pk, note="", active=True, **asked)

        assert raised == (
            "Used so far: 2. It can be used 3 more times.",
            "At most 15.00 USD more are taken off.",
        )
        assert (changed.most_uses or 0) - changed.uses == 3
        assert told(most_uses=None) == ("Used so far: 2. Nothing limits how often it is used.",)
        assert told(active=False) == ("Used so far: 2. Nobody can use it from now on.",)
        for act in (
            lambda: told(most_uses=1),
            lambda: change_voucher(voucher_id=made.pk, note="", active=True, **asked | {"most_uses": 1}),
        ):
            with pytest.raises(Invalid, match="used 2 times"):
                act()


class TestWhatCanGoBack:
    def test_of_many_is_what_can_go_back_of_each(self) -> None:
        whole, part = paid(), paid()
        refund = Refund(payment=part, amount_minor=900, reason="requested", actor="user:7", settled_at=utc_now())
        refund.succeed()
        refund.save()

        found = find_refundable([whole, part])

        assert {pk: money.minor for pk, money in found.items()} == {whole.pk: 4900, part.pk: 4000}
        assert [refundable_minor(whole), refundable_minor(part)] == [4900, 4000]


class TestTheEndOfAPaymentPage:
    def test_gives_the_use_of_a_code_back(self) -> None:
        voucher = Voucher.objects.create(
            workspace=(checkout := CheckoutFactory(discount_minor=500)).workspace, code="SPRING", kind=VoucherKind.FREE
        )
        Discount.objects.create(
            workspace=checkout.workspace,
            checkout=checkout,
            purpose=checkout.purpose,
            subject=checkout.subject,
            source=DiscountSource.VOUCHER,
            voucher=voucher,
            list_minor=5400,
            discount_minor=500,
            currency="usd",
            created_at=utc_now(),
        )

        assert tell_end_of_checkout(checkout) == [
            "The payment page over 49.00 USD ends.",
            "The use of the code SPRING that it took is given back.",
        ]
