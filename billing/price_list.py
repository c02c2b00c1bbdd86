"""A workspace's prices, for the apps above that sell something."""

from decimal import Decimal

from core.money import Money

from .models import Price
from .prices import check_chargeable


def find_or_create_price(
    *, workspace_id: int, money: Money, tax_rate: Decimal | None, name: str, amount_field: str, currency_field: str
) -> Price:
    """Return an active price of the workspace with this amount and tax: the oldest one, or a new one called `name`.
    Raises Invalid, naming the fields as the caller spells them, for a price nobody can charge."""
    check_chargeable(money, amount_field=amount_field, currency_field=currency_field)
    same = Price.objects.filter(
        workspace=workspace_id,
        amount_minor=money.minor,
        currency=money.currency,
        tax_rate=tax_rate,
        name=name,
        stripe_price_id="",
        active=True,
    )
    return same.order_by("pk").first() or Price.objects.create(
        workspace_id=workspace_id, amount_minor=money.minor, currency=money.currency, tax_rate=tax_rate, name=name
    )
