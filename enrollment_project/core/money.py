"""Amounts in minor units of a currency (cents for USD), never floats."""

from dataclasses import dataclass

# ISO 4217 currencies that Stripe counts without decimals; every other one here has two.
ZERO_DECIMAL = frozenset("bif clp djf gnf jpy kmf krw mga pyg rwf ugx vnd vuv xaf xof xpf".split())


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in minor units and a lower-case ISO 4217 code. Adding two currencies raises ValueError."""

    minor: int
    currency: str

    def __add__(self, other: "Money") -> "Money":
        if other.currency != self.currency:
            raise ValueError(f"cannot add {other.currency} to {self.currency}")
        return Money(self.minor + other.minor, self.currency)

    def __str__(self) -> str:
        code = self.currency.upper()
        if self.currency in ZERO_DECIMAL:
            return f"{self.minor:,} {code}"
        return f"{self.minor / 100:,.2f} {code}"
