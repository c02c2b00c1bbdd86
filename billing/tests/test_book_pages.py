"""The buttons that close a month and open it again, and what its page and its lines show."""

import datetime as dt

import pytest
from django.urls import reverse

from accounts.models import Workspace
from accounts.states import Role
from accounts.tests.factories import WorkspaceFactory
from backoffice.tests.staff_client import StaffClient, said
from billing.models import LedgerLine, MonthClose, Payment, PayoutLine

from .factories import closed_month, paid, paid_out

pytestmark = pytest.mark.django_db

CLOSE = reverse("admin:billing_monthclose_close")
IN_JULY = dt.datetime(2026, 7, 20, 12, tzinfo=dt.UTC)


@pytest.fixture
def workspace() -> Workspace:
    return WorkspaceFactory()


@pytest.fixture
def owner(workspace: Workspace) -> StaffClient:
    return StaffClient(workspace=workspace, role=Role.OWNER)


def came_in_july(workspace: Workspace) -> None:
    """One payment over 49.00 USD, with Stripe's fee of 1.72 USD."""
    paid_out(paid(checkout__price__workspace=workspace))
    Payment.objects.update(paid_at=IN_JULY)
    PayoutLine.objects.update(moved_at=IN_JULY)


class TestClosingAMonth:
    def test_says_beforehand_what_is_written(self, workspace: Workspace, owner: StaffClient) -> None:
        came_in_july(workspace)

        page = owner.post(CLOSE, {"workspace": workspace.pk, "month": "2026-07-15"})

        ((_, preview),) = page.context["previews"]
        assert preview.sentences == (
            f"July 2026 of {workspace} is closed.",
            "Lines to write: 2.",
            "Stripe fees: -1.72 USD.",
            "Payments: 49.00 USD.",
        )
        assert not MonthClose.objects.exists()

    def test_writes_its_lines_in_the_name_of_who_pressed_it(self, workspace: Workspace, owner: StaffClient) -> None:
        came_in_july(workspace)

        answer = owner.confirm(CLOSE, {"workspace": workspace.pk, "month": "2026-07-15", "note": "No invoice"})

        close = MonthClose.objects.get()
        assert said(answer) == [f"{close} is closed: 2 lines."]
        assert (close.workspace, close.month, close.note) == (workspace, dt.date(2026, 7, 1), "No invoice")
        assert close.closed_by == f"user:{owner.user.pk}"
        assert close.lines.count() == 2

    @pytest.mark.parametrize("month", ["1999-12-31", "3000-01-01"])
    def test_of_another_age_is_refused_beside_the_month(
        self, workspace: Workspace, owner: StaffClient, month: str
    ) -> None:
        answer = owner.confirm(CLOSE, {"workspace": workspace.pk, "month": month})

        assert answer.context["form"].errors == {"month": ["Give a day of a month that is over."]}
        assert not MonthClose.objects.exists()

    @pytest.mark.parametrize(
        ("month", "told"), [("2000-01-01", None), ("2999-12-31", "December 2999 is not over yet.")]
    )
    def test_is_for_the_years_from_2000_on(
        self, workspace: Workspace, owner: StaffClient, month: str, told: str | None
    ) -> None:
        answer = owner.confirm(CLOSE, {"workspace": workspace.pk, "month": month})

        assert MonthClose.objects.exists() == (told is None)
        assert told is None or answer.context["form"].non_field_errors() == [told]


class TestOpeningAMonthAgain:
    def test_keeps_who_did_it_and_why(self, workspace: Workspace, owner: StaffClient) -> None:
        close = closed_month(workspace)
        page = reverse("admin:billing_monthclose_reopen", args=[close.pk])

        answer = owner.post(page, {"note": "An invoice was missing"})

        close.refresh_from_db()
        assert said(answer) == [f"{close} is open again."]
        assert (close.reopened_by, close.reopened_note) == (f"user:{owner.user.pk}", "An invoice was missing")
        assert close.reopened_at is not None
        assert close.lines.count() == 1

        assert "is no longer possible" in said(owner.post(page, {"note": "Twice"}))[-1]


class TestTheMonthsPage:
    def test_shows_the_totals_of_each_currency(self, workspace: Workspace, owner: StaffClient) -> None:
        close = closed_month(workspace)
        totals = [
            {"currency": "eur", "account": "payments", "gross": 1000, "fee": 0},
            {"currency": "usd", "account": "payments", "gross": 4900, "fee": 0},
            {"currency": "usd", "account": "fees", "gross": 0, "fee": 172},
        ]
        MonthClose.objects.update(totals=totals)

        page = owner.get(reverse("admin:billing_monthclose_change", args=[close.pk]))

        (card,) = [each for each in page.context["neighbor_cards"] if each.title == "Totals"]
        assert [(str(row.title), row.note) for row in card.rows] == [
            ("10.00 EUR", "Payments"),
            ("10.00 EUR", "Total in EUR"),
            ("49.00 USD", "Payments"),
            ("-1.72 USD", "Stripe fees"),
            ("47.28 USD", "Total in USD"),
        ]
        assert owner.get(card.more_url).context["cl"].result_count == 1


class TestTheLines:
    def test_show_their_month_what_is_left_after_the_fee_and_whether_they_are_late(
        self, workspace: Workspace, owner: StaffClient
    ) -> None:
        came_in_july(workspace)
        for month in ("2026-07-01", "2026-08-01"):
            owner.confirm(CLOSE, {"workspace": workspace.pk, "month": month, "note": "No invoice"})
            came_in_july(workspace)
        fees = LedgerLine.objects.filter(account="fees").order_by("month")

        pages = [owner.get(reverse("admin:billing_ledgerline_change", args=[line.pk])) for line in fees]

        shown = ["".join(page.content.decode().split()) for page in pages]
        assert [(">July2026<" in text, ">August2026<" in text) for text in shown] == [(True, False), (False, True)]
        assert [text.count(">Late<") for text in shown] == [1, 2]  # its label, and what it says
        assert ["-1.72USD" in text for text in shown] == [True, True]
