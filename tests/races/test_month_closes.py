"""Two people who close one month at once, while a payment of that month arrives. Each movement has one line, and the
frozen totals match the lines.
"""

import datetime as dt
from functools import partial

import pytest

from billing.closing import close_month
from billing.invariants import closed_months_are_their_lines
from billing.models import LedgerLine, MonthClose, Payment
from billing.purposes import find_matters
from billing.tests.factories import PaymentFactory, paid
from core.actors import Actor
from core.clock import utc_now
from core.invariants import Extent
from tests.constraints import without_constraints
from tests.processes import Failure, Meeting, at_once

from .attempts import four_times_in_walks

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

JULY = dt.date(2026, 7, 1)
IN_JULY = dt.datetime(2026, 7, 20, 12, tzinfo=dt.UTC)
LATER = dt.datetime(2026, 10, 1, 12, tzinfo=dt.UTC)


def a_payment_in_july() -> Payment:
    payment = paid()
    Payment.objects.filter(pk=payment.pk).update(paid_at=IN_JULY)
    return payment


def close(workspace_id: int, month: dt.date = JULY) -> str:
    close_month(workspace_id=workspace_id, month=month, note="No invoices", actor=Actor("user", 7), now=LATER)
    return "closed"


def arrive(payment_id: int) -> str:
    Payment.objects.filter(pk=payment_id).update(paid_at=IN_JULY)
    return "arrived"


def told(answers: list[object]) -> list[str]:
    return sorted(each.kind if isinstance(each, Failure) else str(each) for each in answers)


class TestTwoClosersAndAPayment:
    @four_times_in_walks
    def test_leave_one_line_of_each_payment_and_totals_that_agree(self, attempt: int) -> None:
        payment = a_payment_in_july()
        arriving = PaymentFactory(checkout__price__workspace=payment.workspace)
        workspace_id = payment.workspace_id

        answers = at_once(partial(close, workspace_id), partial(close, workspace_id), partial(arrive, arriving.pk))
        close(workspace_id, JULY.replace(month=8))

        assert told(answers) == ["MonthNotClosable", "arrived", "closed"]
        assert sorted(LedgerLine.objects.values_list("source", "number")) == sorted(
            [(f"payment:{payment.pk}", 1), (f"payment:{arriving.pk}", 1)]
        )
        assert list(closed_months_are_their_lines(Extent(now=utc_now()))) == []

    def test_without_the_indexes_would_book_it_twice(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Control: neither the month's nor the line's index."""
        with without_constraints((MonthClose, "month_close_stands_once"), (LedgerLine, "ledger_line_once")):
            payment = a_payment_in_july()
            monkeypatch.setattr("billing.closing.find_matters", Meeting(find_matters))

            answers = at_once(*[partial(close, payment.workspace_id)] * 2)

            assert told(answers) == ["closed", "closed"]
            assert list(LedgerLine.objects.values_list("source", "number")) == [(f"payment:{payment.pk}", 1)] * 2
