import datetime as dt
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db import DatabaseError, transaction
from django.test import Client
from django.urls import reverse

from accounts.models import User
from accounts.states import Role
from accounts.tests.factories import UserFactory, WorkspaceFactory, bearer
from backoffice.exporting.lists import ListSource
from backoffice.models import Export
from backoffice.tests.staff_client import StaffClient
from billing.closing import close_month, reopen_month
from billing.errors import MonthNotClosable, MonthNotClosed
from billing.invoicing import Buyer, correct_invoice, issue_invoice
from billing.models import Checkout, Invoice, LedgerLine, MonthClose, Payment, Refund
from core.actors import Actor
from core.errors import require
from core.money import Money

from .factories import FEE_MINOR, paid, paid_out

pytestmark = pytest.mark.django_db
FINANCE = Actor("user", 7)
JULY = dt.date(2026, 7, 1)
AUGUST = dt.date(2026, 8, 1)
IN_JULY = dt.datetime(2026, 7, 20, 12, tzinfo=dt.UTC)
IN_AUGUST = IN_JULY + dt.timedelta(days=31)
LATER = dt.datetime(2026, 10, 1, 12, tzinfo=dt.UTC)


@pytest.fixture
def payment() -> Payment:
    """Came in July, with its invoice and its fee."""
    payment = paid()
    issue_invoice(payment=payment, buyer=Buyer("parent@home.test"), now=IN_JULY)
    line = paid_out(payment)
    Payment.objects.filter(pk=payment.pk).update(paid_at=IN_JULY)
    type(line).objects.update(moved_at=IN_JULY)
    return payment


def close(payment: Payment, month: dt.date = JULY, *, now: dt.datetime = LATER, note: str = "") -> MonthClose:
    return close_month(workspace_id=payment.workspace_id, month=month, note=note, actor=FINANCE, now=now)


def lines(close: MonthClose) -> list[tuple[Any, ...]]:
    rows = close.lines.order_by("account", "id")
    return list(rows.values_list("account", "gross_minor", "fee_minor", "is_late"))


def a_refund_that_came_to_be_known(payment: Payment, *, at: dt.datetime) -> Refund:
    refund = Refund(payment=payment, amount_minor=900, reason="requested", actor="user:7", settled_at=at)
    refund.succeed()
    refund.save()
    return refund


def corrected(payment: Payment, *, returned: int) -> str:
    """The number of the correction that is made once so much of it is back with the payer."""
    Payment.objects.filter(pk=payment.pk).update(refunded_minor=returned)
    correction = correct_invoice(payment=Payment.objects.get(pk=payment.pk), now=IN_JULY)
    return require(correction, "what is left has changed").number


def corrections_in_the_ledger() -> list[str]:
    return list(LedgerLine.objects.filter(account="refunds").order_by("id").values_list("correction", flat=True))


class TestClosingAMonth:
    @pytest.mark.sqlite
    def test_freezes_a_line_for_each_movement_and_what_they_come_to(self, payment: Payment) -> None:
        closed = close(payment)

        assert lines(closed) == [("fees", 0, FEE_MINOR, False), ("payments", 4900, 0, False)]
        assert closed.totals == [
            {"account": "fees", "currency": "usd", "gross": 0, "fee": FEE_MINOR},
            {"account": "payments", "currency": "usd", "gross": 4900, "fee": 0},
        ]
        assert LedgerLine.objects.get(account="payments").document == payment.invoices.get().number

    def test_names_the_account_that_paid_and_the_correction_of_what_went_back(self, payment: Payment) -> None:
        payer = UserFactory(email="payer@home.test")
        Checkout.objects.filter(pk=payment.checkout_id).update(payer_email=payer.email)
        a_refund_that_came_to_be_known(payment, at=IN_JULY)
        number = corrected(payment, returned=900)

        close(payment)

        assert list(LedgerLine.objects.order_by("account").values_list("account", "correction", "payer")) == [
            ("fees", "", f"user:{payer.pk}"),
            ("payments", "", f"user:{payer.pk}"),
            ("refunds", number, f"user:{payer.pk}"),
        ]

    def test_names_for_each_refund_its_own_correction_though_one_sweep_heard_of_both(self, payment: Payment) -> None:
        numbers = []
        for returned in (900, 1800):
            a_refund_that_came_to_be_known(payment, at=IN_JULY)
            numbers.append(corrected(payment, returned=returned))

        close(payment)

        assert corrections_in_the_ledger() == numbers

    def test_names_a_correction_that_the_release_before_wrote_without_its_sources(self, payment: Payment) -> None:
        a_refund_that_came_to_be_known(payment, at=IN_JULY)
        number = corrected(payment, returned=900)
        Invoice.objects.update(sources={})

        close(payment)

        assert corrections_in_the_ledger() == [number]

    @pytest.mark.sqlite
    def test_leaves_lines_that_nobody_can_change_or_delete(self, payment: Payment) -> None:
        close(payment)
        lines = LedgerLine.objects.all()

        for change in (partial(lines.update, gross_minor=1), lines.delete):
            with pytest.raises(DatabaseError, match="only added to"), transaction.atomic():
                change()

        assert not lines.filter(gross_minor=1).exists()
        assert lines.count() == 2

    def test_puts_what_came_late_into_the_next_month_and_marks_it(self, payment: Payment) -> None:
        close(payment)
        a_refund_that_came_to_be_known(payment, at=IN_JULY)

        august = close(payment, AUGUST, note="The correction follows")

        assert lines(august) == [("refunds", -900, 0, True)]

    def test_takes_back_a_refund_that_failed_by_a_further_line(self, payment: Payment) -> None:
        refund = a_refund_that_came_to_be_known(payment, at=IN_JULY)
        number = corrected(payment, returned=900)
        close(payment)
        refund.fail()
        refund.save()
        number_of_the_other = corrected(payment, returned=0)

        august = close(payment, AUGUST, note="It failed")

        assert lines(august) == [("refunds", 900, 0, True)]
        assert corrections_in_the_ledger() == [number, number_of_the_other]

    @pytest.mark.parametrize(
        ("month", "now", "why"),
        [(AUGUST, LATER, "Close July 2026 first"), (JULY, IN_JULY, "not over yet")],
    )
    def test_out_of_order_or_too_early_is_refused(
        self, payment: Payment, month: dt.date, now: dt.datetime, why: str
    ) -> None:
        with pytest.raises(MonthNotClosable, match=why):
            close(payment, month, now=now)

        assert not MonthClose.objects.exists()
        assert not LedgerLine.objects.exists()

    def test_with_mismatches_takes_a_reason(self, payment: Payment) -> None:
        a_refund_that_came_to_be_known(payment, at=IN_JULY)
        Payment.objects.filter(pk=payment.pk).update(refunded_minor=900)

        with pytest.raises(MonthNotClosable, match="Open mismatches: 1"):
            close(payment)

        assert close(payment, note="The accountant knows").note == "The accountant knows"

    @pytest.mark.sqlite
    def test_a_second_time_is_refused(self, payment: Payment) -> None:
        close(payment)

        with pytest.raises(MonthNotClosable, match="closed already"):
            close(payment)

        assert LedgerLine.objects.count() == 2


class TestOpeningAMonthAgain:
    def test_keeps_its_lines_and_closing_it_adds_what_is_missing(self, payment: Payment) -> None:
        first = close(payment)
        reopen_month(close_id=first.pk, note="A refund is missing", actor=FINANCE, now=LATER)
        a_refund_that_came_to_be_known(payment, at=IN_JULY)

        again = close(payment, note="The correction follows")

        assert lines(again) == [("refunds", -900, 0, False)]
        assert [total["account"] for total in again.totals] == ["fees", "payments", "refunds"]
        with pytest.raises(MonthNotClosed):
            reopen_month(close_id=first.pk, note="Once more", actor=FINANCE, now=LATER)


class TestTheAccountantsFile:
    def test_ends_with_what_the_lines_come_to_in_each_currency(self, payment: Payment) -> None:
        close(payment)
        finance = StaffClient(workspace=payment.workspace, role=Role.FINANCE)
        user = User.objects.get(pk=finance.session["_auth_user_id"])
        wanted = Export(source="list:billing.ledgerline", requested_by=user)
        columns, (total,) = ListSource().columns(wanted), ListSource().totals(wanted)

        assert {name: cell for name, cell in zip(columns, total, strict=True) if cell} == {
            "Document": "Total USD",
            "Gross": "49.00 USD",
            "Fee": str(Money(FEE_MINOR, "usd")),
            "Net": str(Money(4900 - FEE_MINOR, "usd")),
        }


class TestTheApi:
    @pytest.fixture
    def read(self, payment: Payment) -> Callable[..., Any]:
        headers = bearer(workspace=payment.workspace, scopes=["payments:read"])
        return partial(Client().get, headers=headers)

    def test_tells_a_closed_month_and_its_lines(self, payment: Payment, read: Callable[..., Any]) -> None:
        close(payment)

        (month,) = read("/api/closedMonths").json()
        first = read("/api/closedMonths/2026-07/lines?limit=1")
        (second,) = read("/api/closedMonths/2026-07/lines?offset=1").json()

        assert (month["month"], month["note"]) == ("2026-07", "")
        assert month == read("/api/closedMonths/2026-07").json()
        assert month["totals"] == [
            {"account": "fees", "currency": "usd", "grossMinor": 0, "feeMinor": FEE_MINOR},
            {"account": "payments", "currency": "usd", "grossMinor": 4900, "feeMinor": 0},
        ]
        assert first["X-Total-Count"] == "2"
        assert (first.json()[0]["date"], first.json()[0]["netMinor"]) == ("2026-07-20", 4900)
        assert (second["account"], second["netMinor"]) == ("fees", -FEE_MINOR)

    def test_knows_no_month_that_is_open_or_none(self, payment: Payment, read: Callable[..., Any]) -> None:
        reopen_month(close_id=close(payment).pk, note="A refund was forgotten", actor=FINANCE, now=LATER)

        answers = [read(f"/api/closedMonths/{month}/lines") for month in ("2026-07", "2026-08", "2026-13", "july")]

        assert [answer.json()["code"] for answer in answers] == ["not_found"] * 4
        assert read("/api/closedMonths").json() == []


class TestTheForm:
    def test_asks_a_member_of_one_workspace_for_the_month_alone(self) -> None:
        workspace = WorkspaceFactory()
        finance = StaffClient(workspace=workspace, role=Role.FINANCE)

        form = finance.get(reverse("admin:billing_monthclose_close")).context["form"]

        assert [field.name for field in form.visible_fields()] == ["month", "note"]
        assert form["workspace"].initial == workspace
