"""The balance and its payouts: what each charge, refund, and dispute moved, and how much of it went to the bank.

As Stripe describes them: every movement is a balance transaction with its fee; an automatic payout includes everything
that no earlier one did, and is itself one of its transactions.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from django.db import transaction

from sandbox.knobs import clock
from sandbox.stripe.api import operation
from sandbox.stripe.errors import no_such
from sandbox.stripe.listing import PAGING, list_page
from sandbox.stripe.models import BalanceTransaction, Charge, Dispute, Payout, Refund
from sandbox.stripe.movements import moved_by, transaction_ref
from sandbox.stripe.parameters import Text
from sandbox.stripe.rendering import Body, render

CARD_PERCENT = 2.9
CARD_FIXED = 30


@operation(**PAGING)
def list_payouts(params: dict[str, Any]) -> Body:
    return list_page(Payout.objects.all(), params, url="/v1/payouts")


@operation()
def retrieve_payout(params: dict[str, Any], *, ref: str) -> Body:
    payout = Payout.objects.filter(ref=ref).first()
    if payout is None:
        raise no_such("payout", ref, param="payout")
    return render(payout)


@operation(**PAGING, payout=Text(), source=Text(), type=Text())
def list_balance_transactions(params: dict[str, Any]) -> Body:
    record_movements()
    lookups = {"payout": "payout__ref", "source": "source", "type": "type"}
    chosen = {lookup: params[name] for name, lookup in lookups.items() if name in params}
    return list_page(BalanceTransaction.objects.filter(**chosen), params, url="/v1/balance_transactions")


@transaction.atomic
def make_payouts(*, until: int | None = None, arrives: int | None = None, off_by: int = 0) -> list[Payout]:
    """Pay out what moved up to the second `until` and was not paid out yet, one payout per currency. `off_by` makes its
    amount differ from the sum of its transactions, which never happens at Stripe.
    """
    record_movements()
    until = clock.now() if until is None else until
    waiting: dict[str, list[BalanceTransaction]] = defaultdict(list)
    for moved in BalanceTransaction.objects.filter(payout=None, created__lte=until).exclude(type="payout"):
        waiting[moved.currency].append(moved)
    made = []
    for currency, rows in sorted(waiting.items()):
        total = sum(row.amount - row.fee for row in rows)
        if total <= 0:
            continue
        payout = Payout.objects.create(
            created=until,
            amount=total + off_by,
            currency=currency,
            arrival_date=arrives or until + 2 * 86_400,
        )
        BalanceTransaction.objects.filter(pk__in=[row.pk for row in rows]).update(payout=payout)
        BalanceTransaction.objects.create(
            created=until,
            type="payout",
            reporting_category="payout",
            amount=-payout.amount,
            currency=currency,
            source=payout.ref,
            payout=payout,
        )
        made.append(payout)
    return made


def record_movements() -> None:
    """Record what has moved since the last call. A refund that failed before that moved nothing."""
    known = set(BalanceTransaction.objects.values_list("ref", flat=True))
    moved = sorted(_movements(known), key=lambda row: row.created)
    BalanceTransaction.objects.bulk_create(row for row in moved if row.ref not in known)


def _movements(known: set[str]) -> Iterator[BalanceTransaction]:
    for charge in Charge.objects.filter(status="succeeded").select_related("payment_intent"):
        kind = "charge" if charge.payment_intent.payment_method_type == "card" else "payment"
        fee = round(charge.amount * CARD_PERCENT / 100) + CARD_FIXED
        yield _row(transaction_ref(charge), charge, kind, "charge", charge.amount, charge.currency, fee)
    for refund in Refund.objects.select_related("charge"):
        ref = transaction_ref(refund)
        currency = refund.charge.currency
        if refund.status != "failed":
            yield _row(ref, refund, "refund", "refund", -refund.amount, currency)
        elif ref in known:
            yield _row(f"{ref}b", refund, "refund_failure", "refund_failure", refund.amount, currency)
    for dispute in Dispute.objects.select_related("charge"):
        for body in moved_by(dispute):
            category = body["reporting_category"]
            yield _row(
                body["id"], dispute, "adjustment", category, body["amount"], dispute.charge.currency, body["fee"]
            )


def _row(
    ref: str, source: Charge | Refund | Dispute, type: str, category: str, amount: int, currency: str, fee: int = 0
) -> BalanceTransaction:
    return BalanceTransaction(
        ref=ref,
        created=source.created,
        type=type,
        reporting_category=category,
        amount=amount,
        fee=fee,
        currency=currency,
        source=source.ref,
    )
