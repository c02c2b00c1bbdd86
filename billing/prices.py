"""What can be charged at all: checked wherever a price is entered, before Stripe would refuse it to a parent."""

from core.currencies import CURRENCIES, currency_of
from core.errors import invalid_field
from core.money import Money


def check_chargeable(money: Money, *, amount_field: str = "amount", currency_field: str = "currency") -> None:
    """Raise Invalid, naming the field and what is allowed, unless Stripe accepts such an amount in this currency."""
    currency = CURRENCIES.get(money.currency)
    if currency is None:
        raise invalid_field(
            currency_field,
            "unknown_currency",
            f"Nobody can pay in “{money.currency.upper()}”. Give the three letters of a currency, for example USD.",
        )
    least = Money(currency.least, currency.code)
    most = Money(currency.most, currency.code)
    if not currency.least <= money.minor <= currency.most:
        raise invalid_field(amount_field, "out_of_range", f"A price is between {least} and {most}.")
    check_whole_steps(money, amount_field=amount_field)


def check_whole_steps(money: Money, *, amount_field: str = "amount") -> None:
    """Raise Invalid unless cards can process such a precise amount; some networks drop the last of three decimals."""
    currency = currency_of(money.currency)
    if money.minor % currency.step:
        raise invalid_field(
            amount_field,
            "too_precise",
            f"The last of the {currency.decimals} decimals has to be 0 in {currency.code.upper()}, "
            f"like {Money(money.minor - money.minor % currency.step, currency.code)}.",
        )
