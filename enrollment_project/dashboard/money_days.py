"""All movements of each day side by side: payouts, payments, refunds and disputes, invoices, courses, and seats.

Every figure links to the list of the rows it counts. A day is marked if its invoices do not add up to the money kept
that day, or if it has unresolved mismatches.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import admin
from django.db.models import CharField, Count, F, Sum, Value
from django.db.models.functions import TruncDate
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from billing.models import Dispute, Invoice, Mismatch, Payment, PayoutLine, Refund
from billing.states import RETURNED_PAYOUTS, DisputeStatus, InvoiceStatus, PayoutStatus, RefundStatus
from cohorts.models import StudentPackage
from core import time_words
from core.money import Money
from enrollments.models import SeatAssignment

from .figures.figure import Asked
from .front_page import asked_by
from .period import CHOICES

WHOLE_AMOUNT = F("amount_minor")
NO_CURRENCY = Value("", output_field=CharField())
ARRIVING_PAYOUTS = tuple(status.value for status in PayoutStatus if status not in RETURNED_PAYOUTS)
STANDING_PAPERS = tuple(status.value for status in InvoiceStatus if status is not InvoiceStatus.CANCELLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A model's rows, by the day of `when` in the workspace's time zone, or by that date itself (`is_date`).

    `amount` is the value to sum, or None if rows are only counted. `narrow` holds lookups that the model's list accepts
    too. `currency` is the path to a column that the list can be filtered by, or None if the rows have no currency.
    `sign` is how the rows count towards the total that the day's invoices must match.
    """

    name: str
    title: str
    help: str
    model: Any
    when: str
    path: str = "workspace"
    currency: str | None = "currency"
    amount: Any = WHOLE_AMOUNT
    counted: str = "pk"
    is_date: bool = False
    narrow: Mapping[str, object] = field(default_factory=dict)
    sign: int = 0

    def rows(self, asked: Asked) -> Any:
        period = asked.period
        days = {f"{self.when}__gte": period.first, f"{self.when}__lte": period.last}
        during = days if self.is_date else period.during(self.when)
        return asked.mine(self.model, self.path).filter(**self.narrow, **during)

    def url(self, asked: Asked, day: dt.date, currency: str) -> str:
        """Return the address of the list of the rows that one figure counts."""
        one = asked.period.only(day)
        same = {name: ",".join(told) if isinstance(told, tuple) else told for name, told in self.narrow.items()}
        own = {f"{self.currency}__exact": currency} if self.currency else {}
        days = {f"{self.when}__gte": day, f"{self.when}__lt": day + dt.timedelta(days=1)}
        moments = {name: at.isoformat() for name, at in one.during(self.when).items()}
        return asked.scope.list_url(self.model, **same, **own, **(days if self.is_date else moments))


COLUMNS = (
    Column(
        name="mismatches",
        title="Mismatches",
        help="mismatches in that day's money that are neither settled nor explained",
        model=Mismatch,
        when="happened_at",
        amount=None,
        narrow={"settled_at__isnull": True, "explained_at__isnull": True},
    ),
    Column(
        name="payouts",
        title="At the bank",
        help="money from Stripe's payouts, after fees, by the day it reaches the bank",
        model=PayoutLine,
        when="payout__arrival_date",
        amount=F("amount_minor") - F("fee_minor"),
        counted="payout",
        is_date=True,
        narrow={"payout__status__in": ARRIVING_PAYOUTS},
    ),
    Column(
        name="payments",
        title="Payments",
        help="payments, by Stripe or otherwise, before fees",
        model=Payment,
        when="paid_at",
        sign=1,
    ),
    Column(
        name="refunds",
        title="Refunds",
        help="refunds that succeeded",
        model=Refund,
        path="payment__workspace",
        when="settled_at",
        currency="payment__currency",
        narrow={"status__exact": RefundStatus.SUCCEEDED.value},
        sign=-1,
    ),
    Column(
        name="disputes",
        title="Disputes lost",
        help="money lost in disputes that have ended",
        model=Dispute,
        path="payment__workspace",
        when="closed_at",
        currency="payment__currency",
        amount=F("withdrawn_minor"),
        narrow={"status__exact": DisputeStatus.LOST.value},
        sign=-1,
    ),
    Column(
        name="invoices",
        title="Invoices",
        help="invoices by their date",
        model=Invoice,
        when="issued_on",
        is_date=True,
        narrow={"corrects__isnull": True, "status__in": STANDING_PAPERS},
        sign=-1,
    ),
    Column(
        name="corrections",
        title="Corrections",
        help="corrections of invoices by their date",
        model=Invoice,
        when="issued_on",
        is_date=True,
        narrow={"corrects__isnull": False, "status__in": STANDING_PAPERS},
        sign=-1,
    ),
    Column(
        name="packages",
        title="Packages",
        help="courses that were paid for and given to a learner, including those revoked later",
        model=StudentPackage,
        path="program__workspace",
        when="purchased_at",
        currency="payment__currency",
        amount=None,
        narrow={"payment__isnull": False},
    ),
    Column(
        name="unpaid",
        title="Packages unpaid",
        help="courses given to a learner without a payment",
        model=StudentPackage,
        path="program__workspace",
        when="purchased_at",
        currency=None,
        amount=None,
        narrow={"payment__isnull": True},
    ),
    Column(
        name="granted",
        title="Seats granted",
        help="district seats that were given to learners",
        model=SeatAssignment,
        path="allocation__district__workspace",
        when="reserved_at",
        currency=None,
        amount=None,
    ),
    Column(
        name="released",
        title="Seats released",
        help="district seats that became free again",
        model=SeatAssignment,
        path="allocation__district__workspace",
        when="released_at",
        currency=None,
        amount=None,
    ),
)


@dataclass(frozen=True, slots=True)
class Cell:
    """How many rows a column has on one day, and their sum; `url` is the list of them."""

    count: int = 0
    minor: int = 0
    currency: str = ""
    url: str = ""
    has_amount: bool = False
    is_marked: bool = False

    @property
    def amount(self) -> str:
        return str(Money(self.minor, self.currency)) if self.has_amount and self.currency else ""


@dataclass(frozen=True, slots=True)
class Row:
    """One currency of one day, or of all days; rows without a currency are counted in the first line of their day."""

    day: str
    currency: str
    cells: list[Cell]
    difference: int

    @property
    def differs_by(self) -> str:
        """Return how much of the money kept is on no invoice, or how much the invoices exceed it."""
        if not self.difference:
            return ""
        told = "not invoiced" if self.difference > 0 else "invoiced too much"
        return f"{Money(abs(self.difference), self.currency)} {told}"


Found = dict[tuple[dt.date, str], dict[str, tuple[int, int]]]


def show_money_days(request: HttpRequest) -> HttpResponse:
    """Show the days of the range on which anything moved, newest first."""
    asked = asked_by(request)
    found = find_days(asked)
    return TemplateResponse(
        request,
        "admin/money_days.html",
        {
            **admin.site.each_context(request),
            "title": "Day by day",
            "opts": Mismatch._meta,
            "scope": asked.scope,
            "period": asked.period,
            "ranges": [(choice, label) for choice, (label, _) in CHOICES.items()],
            "zone": time_words.zone_name(asked.scope.zone),
            "columns": COLUMNS,
            "rows": list(_rows(asked, found)),
            "totals": list(_totals(found)),
            "has_one_zone": _has_one_zone(asked),
        },
    )


def find_days(asked: Asked) -> Found:
    """Return, by day and currency, each column's row count and sum, with one query per column."""
    found: Found = defaultdict(dict)
    for column in COLUMNS:
        day = F(column.when) if column.is_date else TruncDate(column.when, tzinfo=ZoneInfo(asked.scope.zone))
        amount = Value(0) if column.amount is None else column.amount
        code = F(column.currency) if column.currency else NO_CURRENCY
        rows = column.rows(asked).values(day=day, code=code)
        counted = rows.annotate(n=Count(column.counted, distinct=column.counted != "pk"), minor=Sum(amount))
        for date, code, count, minor in counted.values_list("day", "code", "n", "minor"):
            found[date, code][column.name] = (count, minor)
    return found


def _rows(asked: Asked, found: Found) -> Iterator[Row]:
    days = defaultdict(list)
    for date, currency in sorted(found):
        days[date].append(currency)
    for date in sorted(days, reverse=True):
        for row, (currency, counts) in enumerate(_side_by_side(found, date, days[date])):
            urls = {column.name: column.url(asked, date, currency) for column in COLUMNS}
            shown = _row(time_words.day(date) if row == 0 else "", currency, counts, urls)
            yield shown if _has_one_zone(asked) else replace(shown, difference=0)


def _has_one_zone(asked: Asked) -> bool:
    """Return whether days of money and days of invoices coincide: invoices are dated in their workspace's time zone,
    and several workspaces may have different ones.
    """
    return asked.scope.chosen is not None or not asked.scope.choices


def _side_by_side(
    found: Found, date: dt.date, currencies: list[str]
) -> Iterator[tuple[str, dict[str, tuple[int, int]]]]:
    """Put the rows without a currency beside the day's first currency."""
    without = found.get((date, ""), {})
    with_currency = [each for each in currencies if each] or [""]
    for index, currency in enumerate(with_currency):
        own = found.get((date, currency), {})
        yield currency, _sum_up([own, without] if currency and index == 0 else [own])


def _totals(found: Found) -> Iterator[Row]:
    by_currency = defaultdict(list)
    for (_, currency), counts in found.items():
        by_currency[currency].append(counts)
    without = by_currency.pop("", [])
    for index, currency in enumerate(sorted(by_currency) or [""]):
        summed = _sum_up([*by_currency[currency], *(without if index == 0 else [])])
        yield _row("All days" if index == 0 else "", currency, summed, {})


def _sum_up(many: list[dict[str, tuple[int, int]]]) -> dict[str, tuple[int, int]]:
    summed: dict[str, tuple[int, int]] = {}
    for counts in many:
        for name, (count, minor) in counts.items():
            before = summed.get(name, (0, 0))
            summed[name] = (before[0] + count, before[1] + minor)
    return summed


def _row(day: str, currency: str, counts: dict[str, tuple[int, int]], urls: dict[str, str]) -> Row:
    cells = [
        Cell(
            *counts[column.name],
            currency,
            urls.get(column.name, ""),
            has_amount=column.amount is not None,
            is_marked=column.name == "mismatches",
        )
        if column.name in counts
        else Cell()
        for column in COLUMNS
    ]
    difference = sum(column.sign * counts.get(column.name, (0, 0))[1] for column in COLUMNS)
    return Row(day, currency.upper(), cells, difference)
