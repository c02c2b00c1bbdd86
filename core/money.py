"""Amounts in minor units of a currency (cents for USD), never floats."""

from dataclasses import dataclass
from decimal import Decimal

from django.utils.formats import number_format

from .currencies import currency_of


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in minor units and a lower-case ISO 4217 code."""

    minor: int
    currency: str

    def __str__(self) -> str:
        return f"{number_format(self.units, self.decimals, force_grouping=True)} {self.currency.upper()}"

    @classmethod
    def of(cls, units: Decimal, currency: str) -> "Money":
        """Return an amount as people write it: 49.00. Raises ValueError for more decimals than the currency has."""
        minor = units.scaleb(currency_of(currency).decimals)
        if minor != minor.to_integral_value():
            raise ValueError(f"{currency} has no such fraction")
        return cls(int(minor), currency)

    @property
    def decimals(self) -> int:
        """How many digits of `minor` come after the decimal point."""
        return currency_of(self.currency).decimals

    @property
    def units(self) -> Decimal:
        """The amount as people write it: 4900 cents are 49.00."""
        return Decimal(self.minor).scaleb(-self.decimals)
