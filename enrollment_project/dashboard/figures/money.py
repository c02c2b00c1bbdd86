"""Money received, money returned, and money still due, in each currency."""

from django.db.models import Sum

from billing.models import Checkout, Payment, Refund
from billing.states import LIVE_CHECKOUTS, RefundStatus
from core.money import Money

from .figure import Asked, Figure


def money(asked: Asked) -> list[Figure]:
    period = asked.period
    paid = asked.mine(Payment).filter(**period.during("paid_at"))
    returned = asked.mine(Refund, "payment__workspace").filter(
        status=RefundStatus.SUCCEEDED, **period.during("settled_at")
    )
    open_now = asked.mine(Checkout).filter(status__in=LIVE_CHECKOUTS)
    came = dict(paid.values_list("currency").annotate(Sum("amount_minor")))
    went = dict(returned.values_list("payment__currency").annotate(Sum("amount_minor")))
    owed = dict(open_now.values_list("currency").annotate(Sum("amount_minor")))
    rows = []
    for currency in sorted({*came, *went, *owed}):
        amounts = (
            came.get(currency, 0),
            went.get(currency, 0),
            came.get(currency, 0) - went.get(currency, 0),
            owed.get(currency, 0),
        )
        rows.append((currency.upper(), *(_units(amount, currency) for amount in amounts)))
    return [
        Figure(
            name="money",
            title="Money",
            help="Received = payments that arrived in this period, by Stripe or otherwise, before fees. Refunded = "
            "refunds that succeeded in this period, whenever the payment was made. Kept = received minus "
            "refunded; money lost in disputes is not subtracted. Outstanding = the total of all checkouts open "
            "now, regardless of the period.",
            empty="Nothing was paid or refunded in this period, and nothing is outstanding.",
            columns=("Currency", "Received", "Refunded", "Kept", "Outstanding"),
            rows=rows,
            more_url=asked.scope.list_url(Payment),
            is_table=True,
        )
    ]


def _units(minor: int, currency: str) -> str:
    """Format the amount without currency or digit grouping, so that a spreadsheet can add it up."""
    amount = Money(minor, currency)
    return f"{amount.units:.{amount.decimals}f}"
