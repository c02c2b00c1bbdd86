"""Payouts to the bank, closed months, and two records that do not agree.

Payouts are written as rows: the sandbox creates payouts only for payments from now on, and none for the past.
"""

import datetime as dt
from collections import defaultdict

from accounts.models import Workspace
from billing.closing import close_month
from billing.models import Payment, Payout, PayoutLine
from billing.states import NO_MONEY_YET, PaymentMethod, PayoutLineKind, PayoutStatus
from core.actors import SYSTEM
from core.local_time import local_date

UNTIL_PAID_OUT = dt.timedelta(days=3)  # from a day's payments to its payout
UNTIL_ARRIVAL = dt.timedelta(days=2)
PAID_OUT_LATELY = dt.timedelta(days=60)
ELSEWHERE_MINOR = 2500  # charged by somebody in Stripe's dashboard, for something else


def keep_books(workspace: Workspace, *, now: dt.datetime) -> None:
    """Pay out what families paid lately, one payout a day, and close the past months, which finds the mismatches."""
    _pay_out(workspace, now)
    first = local_date(now, workspace.timezone).replace(day=1)
    began = Payment.objects.filter(workspace=workspace, paid_at__isnull=False).order_by("paid_at").first()
    if began is None or began.paid_at is None:
        return
    month = local_date(began.paid_at, workspace.timezone).replace(day=1)
    while month < first:
        close_month(workspace_id=workspace.pk, month=month, note="Loaded with the demo.", actor=SYSTEM, now=now)
        month = (month + dt.timedelta(days=32)).replace(day=1)


def _pay_out(workspace: Workspace, now: dt.datetime) -> None:
    days: dict[tuple[dt.date, str], list[Payment]] = defaultdict(list)
    came = Payment.objects.filter(
        workspace=workspace,
        method=PaymentMethod.STRIPE,
        paid_at__gte=now - PAID_OUT_LATELY,
        paid_at__lt=now - UNTIL_PAID_OUT,
    )
    for payment in came.exclude(status__in=NO_MONEY_YET).order_by("paid_at"):
        if payment.paid_at is not None:
            days[payment.paid_at.date(), payment.currency].append(payment)
    for number, ((_, currency), payments) in enumerate(days.items(), start=1):
        lines = [_line_of(payment) for payment in payments]
        if number == len(days):
            lines.append(_line_of_nobody(lines[-1]))
        _pay_out_together(lines, currency)


def _pay_out_together(lines: list[PayoutLine], currency: str) -> None:
    made_at = lines[-1].moved_at + UNTIL_PAID_OUT
    payout = Payout.objects.create(
        stripe_id=f"po_demo_{lines[0].payment_id:06d}",
        amount_minor=sum(line.net_minor for line in lines),
        currency=currency,
        status=PayoutStatus.PAID,
        is_automatic=True,
        made_at=made_at,
        arrival_date=(made_at + UNTIL_ARRIVAL).date(),
        lines_read_at=made_at,
    )
    for line in lines:
        line.payout = payout
    PayoutLine.objects.bulk_create(lines)


def _line_of(payment: Payment) -> PayoutLine:
    return PayoutLine(
        workspace_id=payment.workspace_id,
        payment=payment,
        stripe_id=f"txn_demo_{payment.pk:06d}",
        kind=PayoutLineKind.PAYMENT,
        source_id=f"ch_demo_{payment.pk:06d}",
        payment_intent_id=str(payment.payment_intent_id),
        amount_minor=payment.amount_minor,
        fee_minor=_fee_of(payment.amount_minor),
        currency=payment.currency,
        moved_at=payment.paid_at or payment.created_at,
    )


def _line_of_nobody(beside: PayoutLine) -> PayoutLine:
    """Return money that matches no payment here: the mismatch that staff explain."""
    return PayoutLine(
        workspace_id=beside.workspace_id,
        stripe_id=f"{beside.stripe_id}_else",
        kind=PayoutLineKind.PAYMENT,
        source_id=f"{beside.source_id}_else",
        payment_intent_id=f"{beside.payment_intent_id}_else",
        amount_minor=ELSEWHERE_MINOR,
        fee_minor=_fee_of(ELSEWHERE_MINOR),
        currency=beside.currency,
        moved_at=beside.moved_at,
    )


def _fee_of(minor: int) -> int:
    """Return 2.9 % plus 30 of the smallest unit, Stripe's fee in the United States."""
    return minor * 29 // 1000 + 30
