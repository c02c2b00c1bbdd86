"""Each day's movements, side by side."""

import datetime as dt
from typing import Any

import pytest
from django.db import connection
from django.db.models import Sum, Value
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Workspace
from accounts.states import Role
from accounts.tests.factories import MembershipFactory, WorkspaceFactory
from backoffice.tests.staff_client import StaffClient
from billing.invoicing import Buyer, correct_invoice, issue_invoice, replace_invoice
from billing.mismatches import look_for_mismatches
from billing.models import Dispute, Mismatch, Payment, PayoutLine, Refund
from billing.states import PayoutStatus, RefundReason
from billing.tests.factories import FEE_MINOR, PriceFactory, paid, paid_out
from cohorts.models import StudentPackage
from cohorts.tests.factories import CourseFactory, buy_on_rows, cohort_with
from core.actors import SYSTEM
from core.clock import utc_now
from enrollment_project.dashboard.money_days import COLUMNS
from enrollments.models import SeatAssignment
from enrollments.tests.factories import CandidateFactory, InstanceFactory, seats

pytestmark = pytest.mark.django_db
PAGE = reverse("money-days")
# 4:30 AM in UTC is the day before in Chicago.
PAID_AT = dt.datetime(2026, 3, 3, 4, 30, tzinfo=dt.UTC)
ASKED = {"range": "custom", "from": "2026-03-01", "to": "2026-03-31"}


@pytest.fixture
def workspace() -> Workspace:
    return WorkspaceFactory(timezone="America/Chicago")


@pytest.fixture
def finance(workspace: Workspace) -> StaffClient:
    return StaffClient(workspace=workspace, role=Role.FINANCE)


def payment_in(workspace: Workspace, **price: Any) -> Payment:
    payment = paid(checkout__price=PriceFactory(workspace=workspace, **price))
    Payment.objects.filter(pk=payment.pk).update(paid_at=PAID_AT)
    payment.paid_at = PAID_AT
    return payment


def everything_of_a_course(workspace: Workspace, currency: str) -> None:
    """A paid course and everything that can happen to it, on one day."""
    price = PriceFactory(workspace=workspace, currency=currency)
    instance = InstanceFactory(
        workspace=workspace, program=CourseFactory(workspace=workspace), is_default=False, price=price
    )
    package = buy_on_rows(cohort_with(options=(1,), instance=instance))
    payment = package.payment
    assert payment is not None
    for _ in range(2):  # the second payout fails
        line = paid_out(payment)
    line.payout.status = PayoutStatus.FAILED
    line.payout.save()
    Refund.objects.create(
        payment=payment, amount_minor=900, reason=RefundReason.REQUESTED, status="succeeded", settled_at=PAID_AT
    )
    Dispute.objects.create(
        payment=payment,
        stripe_dispute_id=f"du_{payment.pk}",
        amount_minor=700,
        withdrawn_minor=700,
        status="lost",
        closed_at=PAID_AT,
    )
    Payment.objects.filter(pk=payment.pk).update(paid_at=PAID_AT, refunded_minor=900)
    StudentPackage.objects.filter(pk=package.pk).update(purchased_at=PAID_AT)
    invoice = payment.invoices.get()
    replace_invoice(invoice_id=invoice.pk, buyer=Buyer("ana@home.test"), reason="Buyer", actor=SYSTEM, now=utc_now())
    correct_invoice(payment=Payment.objects.get(pk=payment.pk), now=utc_now())
    Mismatch.objects.create(
        workspace=workspace,
        kind="not_on_papers",
        subject=f"payment:{payment.pk}",
        amount_minor=700,
        currency=currency,
        happened_at=PAID_AT,
        found_at=PAID_AT,
    )


def rows_of(client: StaffClient, **asked: Any) -> list[tuple[str, str, dict[str, tuple[int, str]], str]]:
    page = client.get(PAGE, {**ASKED, **asked})
    titles = [column.title for column in page.context["columns"]]
    return [
        (
            row.day,
            row.currency,
            {title: (cell.count, cell.amount) for title, cell in zip(titles, row.cells, strict=True) if cell.count},
            row.differs_by,
        )
        for row in (*page.context["rows"], *page.context["totals"])
    ]


class TestTheDaysOfMoney:
    @pytest.mark.sqlite
    def test_stand_side_by_side_by_the_clock_of_the_workspace(self, workspace: Workspace, finance: StaffClient) -> None:
        first, second = payment_in(workspace), payment_in(workspace)
        issue_invoice(payment=first, buyer=Buyer("ana@example.test"), now=PAID_AT)
        line = paid_out(first)
        line.payout.arrival_date = dt.date(2026, 3, 6)
        line.payout.save()
        PayoutLine.objects.update(moved_at=PAID_AT)
        payment_in(WorkspaceFactory())
        Refund.objects.create(
            payment=second, amount_minor=900, reason=RefundReason.REQUESTED, status="succeeded", settled_at=PAID_AT
        )
        look_for_mismatches(workspace_id=workspace.pk, now=utc_now())

        found = rows_of(finance)

        day = {
            "Payments": (2, "98.00 USD"),
            "Refunds": (1, "9.00 USD"),
            "Invoices": (1, "49.00 USD"),
            "Mismatches": (1, ""),
        }
        at_the_bank = {"At the bank": (1, f"{(4900 - FEE_MINOR) / 100} USD")}
        assert found == [
            ("Mar 6, 2026", "USD", at_the_bank, ""),
            ("Mar 2, 2026", "USD", day, "40.00 USD not invoiced"),
            ("All days", "USD", day | at_the_bank, "40.00 USD not invoiced"),
        ]

    def test_have_currencies_apart_and_seats_once(self, workspace: Workspace, finance: StaffClient) -> None:
        payment_in(workspace)
        payment_in(workspace, currency="eur")
        enrollment = CandidateFactory(workspace=workspace)
        SeatAssignment.objects.create(
            allocation=seats(workspace, total=2),
            learner=enrollment.learner,
            enrollment=enrollment,
            reserved_at=PAID_AT,
        )

        found = rows_of(finance)

        assert [(day, currency, sorted(cells)) for day, currency, cells, _ in found] == [
            ("Mar 2, 2026", "EUR", ["Payments", "Seats granted"]),
            ("", "USD", ["Payments"]),
            ("All days", "EUR", ["Payments", "Seats granted"]),
            ("", "USD", ["Payments"]),
        ]

    def test_lead_to_lists_that_come_to_the_same(self, workspace: Workspace, finance: StaffClient) -> None:
        for currency in ("eur", "usd"):
            everything_of_a_course(workspace, currency)
        unpaid = StudentPackage.objects.latest("pk")
        unpaid.pk, unpaid.payment, unpaid.revoked_at = None, None, PAID_AT
        unpaid.save()
        columns = {column.title: column for column in COLUMNS}

        page = finance.get(PAGE, {**ASKED, "to": "2026-12-31"})

        shown = {}
        for row in page.context["rows"]:
            for title, cell in zip(columns, row.cells, strict=True):
                if cell.url:
                    listed = finance.get(cell.url).context["cl"].queryset
                    come_to = listed.aggregate(minor=Sum(columns[title].amount or Value(0)))["minor"]
                    shown[title, row.currency] = (listed.count(), come_to)
                    assert shown[title, row.currency] == (cell.count, cell.minor)
        money = [title for title in columns if not title.startswith("Seats") and title != "Packages unpaid"]
        assert set(shown) >= {(title, currency) for title in money for currency in ("EUR", "USD")}
        assert shown["Packages", "USD"] == (1, 0)
        assert shown["Refunds", "USD"] == (1, 900)

    def test_cost_the_same_for_more(self, workspace: Workspace, finance: StaffClient) -> None:
        issue_invoice(payment=payment_in(workspace), buyer=Buyer(""), now=PAID_AT)
        with CaptureQueriesContext(connection) as few:
            finance.get(PAGE, ASKED)
        for currency in ("eur", "usd", "pln"):
            paid_out(payment_in(workspace, currency=currency))

        with CaptureQueriesContext(connection) as many:
            finance.get(PAGE, {**ASKED, "to": "2026-12-31"})

        assert len(few) == len(many)

    def test_show_that_nothing_moved(self, finance: StaffClient) -> None:
        assert "Nothing moved in this period. Choose more days above." in finance.get(PAGE, ASKED).content.decode()

    def test_of_several_workspaces_are_compared_in_their_sum_alone(
        self, workspace: Workspace, finance: StaffClient
    ) -> None:
        """Invoices are dated in their own workspace's time zone, while the days are UTC's in this case."""
        payment = payment_in(workspace)
        issue_invoice(payment=payment, buyer=Buyer("ana@example.test"), now=PAID_AT)
        MembershipFactory(user=finance.user, workspace=WorkspaceFactory(), role=Role.FINANCE)

        together = rows_of(finance, workspace="all")
        alone = rows_of(finance, workspace=str(workspace.pk))

        assert [day for day, *_ in together] == ["Mar 3, 2026", "Mar 2, 2026", "All days"]
        assert [differs for *_, differs in together] == ["", "", ""]
        assert [(day, differs) for day, *_, differs in alone] == [("Mar 2, 2026", ""), ("All days", "")]
