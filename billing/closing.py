"""Closes a month: its lines are written and its totals frozen; later changes belong to the next open month.

The row of the close is inserted first. Its unique index makes a concurrent close of the month wait for the first, and
then refuses it; a line is stored once by its source and number, whatever runs at the same time.
"""

import datetime as dt
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Max, Min, QuerySet, Sum

from accounts.models import Workspace
from core.actors import Actor
from core.database_errors import violates
from core.errors import NotFound
from core.local_time import local_date, to_instant
from core.text import fit

from .errors import MonthNotClosable, MonthNotClosed
from .invoicing import name_sources
from .mismatches import look_for_mismatches
from .models import Dispute, Invoice, LedgerLine, Mismatch, MonthClose, Payment, PayoutLine, Refund
from .purposes import find_matters
from .queries import find_payers
from .states import Account

MONTH = re.compile(r"2[0-9]{3}-(0[1-9]|1[0-2])")


@dataclass(frozen=True, slots=True)
class Movement:
    """The state of one source as the books should show it now, and when it moved."""

    source: str
    account: Account
    payment_id: int
    gross_minor: int
    fee_minor: int
    currency: str
    at: dt.datetime


def close_month(*, workspace_id: int, month: dt.date, note: str, actor: Actor, now: dt.datetime) -> MonthClose:
    """Freeze a month that is over: write the lines that are due, and store their totals.

    Refused while an earlier month with money is open, and, without a note that says why, while mismatches wait. Raises
    NotFound, MonthNotClosable.
    """
    workspace, first = _month_that_is_over(workspace_id, month, now)
    look_for_mismatches(workspace_id=workspace_id, now=now)
    try:
        with transaction.atomic():
            close = MonthClose.objects.create(
                workspace=workspace,
                month=first,
                closed_at=now,
                closed_by=str(actor),
                note=fit(MonthClose, "note", note),
            )
            _check(workspace, first, note)
            lines = _lines_due(workspace, first)
            for line in lines:
                line.close = close
            LedgerLine.objects.bulk_create(lines, batch_size=1000)
            close.totals = sum_lines(list_lines(close), "currency", "account")
            close.save(update_fields=["totals"])
    except IntegrityError as error:
        if not violates(error, "month_close_stands_once"):
            raise
        raise _closed_already(first) from error
    return close


def list_lines_due(*, workspace_id: int, month: dt.date, note: str, now: dt.datetime) -> list[LedgerLine]:
    """Return the lines that closing the month now would write, without writing them. Raises as `close_month` does, for
    what prevents closing now: mismatches are not searched again."""
    workspace, first = _month_that_is_over(workspace_id, month, now)
    if MonthClose.objects.filter(workspace=workspace, month=first, reopened_at=None).exists():
        raise _closed_already(first)
    _check(workspace, first, note)
    return _lines_due(workspace, first)


@transaction.atomic
def reopen_month(*, close_id: int, note: str, actor: Actor, now: dt.datetime) -> MonthClose:
    """Reopen a closed month. Its lines stay; closing it again adds what is missing. Raises NotFound, MonthNotClosed."""
    told = {"reopened_at": now, "reopened_by": str(actor), "reopened_note": fit(MonthClose, "reopened_note", note)}
    changed = MonthClose.objects.filter(pk=close_id, reopened_at=None).update(**told)
    close = MonthClose.objects.filter(pk=close_id).first()
    if close is None:
        raise NotFound("There is no such month.")
    if not changed:
        raise MonthNotClosed
    return close


def list_closed_months(*, workspace_id: int) -> QuerySet[MonthClose]:
    """Return a workspace's months that are closed now, without reopened ones."""
    return MonthClose.objects.filter(workspace=workspace_id, reopened_at=None)


def find_closed_month(*, workspace_id: int, month: str) -> MonthClose:
    """Return the month written as 2026-10, while it is closed. Raises NotFound."""
    first = f"{month}-01" if MONTH.fullmatch(month) else ""
    close = list_closed_months(workspace_id=workspace_id).filter(month=first).first() if first else None
    if close is None:
        raise NotFound("There is no such closed month.")
    return close


def list_lines(close: MonthClose) -> QuerySet[LedgerLine]:
    """Return all lines of the month, whichever of its closes wrote them: what `totals` sums up."""
    return LedgerLine.objects.filter(workspace=close.workspace_id, month=close.month)


def next_month(first: dt.date) -> dt.date:
    return (first + dt.timedelta(days=32)).replace(day=1)


def sum_lines(lines: QuerySet[LedgerLine], *by: str) -> list[Any]:
    """Return the sums of these lines by those fields, in order: `gross` and `fee`, in the smallest units."""
    return list(lines.order_by().values(*by).annotate(gross=Sum("gross_minor"), fee=Sum("fee_minor")).order_by(*by))


def _month_that_is_over(workspace_id: int, month: dt.date, now: dt.datetime) -> tuple[Workspace, dt.date]:
    """Return the workspace and the first day of its month."""
    workspace = Workspace.objects.filter(pk=workspace_id).first()
    if workspace is None:
        raise NotFound("There is no such workspace.")
    first = month.replace(day=1)
    if local_date(now, workspace.timezone) < next_month(first):
        raise MonthNotClosable(f"{first:%B %Y} is not over yet.")
    return workspace, first


def _closed_already(month: dt.date) -> MonthNotClosable:
    return MonthNotClosable(f"{month:%B %Y} is closed already, or is being closed.")


def _check(workspace: Workspace, first: dt.date, note: str) -> None:
    """Refuse to close while an earlier month is open, or while mismatches wait without a note about them."""
    began = Payment.objects.filter(workspace=workspace).aggregate(at=Min("paid_at"))["at"]
    standing = MonthClose.objects.filter(workspace=workspace, reopened_at=None)
    closed = set(standing.values_list("month", flat=True))
    month = local_date(began, workspace.timezone).replace(day=1) if began else first
    while month < first:
        if month not in closed:
            raise MonthNotClosable(f"Close {month:%B %Y} first.")
        month = next_month(month)
    waiting = count_waiting(workspace.pk)
    if waiting and not note:
        raise MonthNotClosable(f"Open mismatches: {waiting}. Repair or explain them, or give a reason.")


def count_waiting(workspace_id: int) -> int:
    """Return how many mismatches nobody has explained or repaired."""
    return Mismatch.objects.unexplained().filter(workspace=workspace_id).count()


def _lines_due(workspace: Workspace, month: dt.date) -> list[LedgerLine]:
    """Return a line for each source whose movement until the month's end differs from its existing lines; unsaved."""
    until = to_instant(date=next_month(month), time=dt.time(), zone=workspace.timezone).at
    movements = list(_movements(workspace.pk, until))
    written: dict[str, tuple[int, int, int]] = {
        source: (gross, fee, last)
        for source, gross, fee, last in LedgerLine.objects.filter(workspace=workspace)
        .values_list("source")
        .annotate(Sum("gross_minor"), Sum("fee_minor"), Max("number"))
    }
    due = [each for each in movements if written.get(each.source, (0, 0, 0))[:2] != (each.gross_minor, each.fee_minor)]
    payments = Payment.objects.in_bulk({each.payment_id for each in due})
    matters = find_matters({(payment.purpose, payment.subject) for payment in payments.values()})
    documents: dict[int, str] = defaultdict(str)
    issued = Invoice.objects.standing().filter(payment__in=payments)
    documents.update(issued.filter(corrects=None).values_list("payment_id", "number"))
    corrections: dict[int, list[Invoice]] = defaultdict(list)
    for correction in issued.exclude(corrects=None).order_by("id"):
        corrections[correction.payment_id].append(correction)
    for payment_id, made in corrections.items():
        name_sources(made, payments[payment_id])
    payers = find_payers(payments)
    lines = []
    for each in due:
        gross, fee, last = written.get(each.source, (0, 0, 0))
        date = local_date(each.at, workspace.timezone)
        payment = payments[each.payment_id]
        matter = matters.get((payment.purpose, payment.subject))
        lines.append(
            LedgerLine(
                workspace=workspace,
                payment=payment,
                month=month,
                date=date,
                is_late=date < month,
                account=each.account,
                source=each.source,
                number=last + 1,
                document=documents[each.payment_id],
                correction=_correction_of(each.source, each.gross_minor - gross, corrections[each.payment_id]),
                payer=payers.get(each.payment_id, ""),
                what=fit(LedgerLine, "what", matter.what if matter else ""),
                gross_minor=each.gross_minor - gross,
                fee_minor=each.fee_minor - fee,
                currency=each.currency,
            )
        )
    return lines


def _correction_of(source: str, moved_minor: int, corrections: list[Invoice]) -> str:
    """Return the number of the last document that states this money as returned, or as back again."""
    return next((each.number for each in reversed(corrections) if each.states(source, moved_minor)), "")


def _movements(workspace_id: int, until: dt.datetime) -> Iterator[Movement]:
    payments = Payment.objects.filter(workspace=workspace_id, paid_at__lt=until)
    for pk, minor, currency, at in payments.values_list("pk", "amount_minor", "currency", "paid_at").order_by("pk"):
        if at is not None:
            yield Movement(f"payment:{pk}", Account.PAYMENTS, pk, minor, 0, currency, at)
    refunds = Refund.objects.filter(payment__workspace=workspace_id, settled_at__lt=until).order_by("pk")
    for refund in refunds.select_related("payment"):
        yield _returned(refund, Account.REFUNDS, refund.settled_at)
    disputes = Dispute.objects.filter(payment__workspace=workspace_id, closed_at__lt=until).order_by("pk")
    for dispute in disputes.select_related("payment"):
        yield _returned(dispute, Account.DISPUTES, dispute.closed_at)
    fees = PayoutLine.objects.filter(workspace=workspace_id, moved_at__lt=until, payment__isnull=False)
    for line in fees.exclude(fee_minor=0).order_by("pk"):
        if line.payment_id is not None:
            yield Movement(
                f"payout-line:{line.pk}", Account.FEES, line.payment_id, 0, line.fee_minor, line.currency, line.moved_at
            )


def _returned(mover: Refund | Dispute, account: Account, at: dt.datetime | None) -> Movement:
    payment = mover.payment
    return Movement(
        mover.source, account, payment.pk, -mover.returned_minor, 0, payment.currency, at or payment.created_at
    )
