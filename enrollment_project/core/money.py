"""Amounts in minor units of a currency (cents for USD), never floats."""

from dataclasses import dataclass

# ISO 4217 currencies that do not have two decimals, as Stripe counts them (docs.stripe.com/currencies).
ZERO_DECIMAL = frozenset(
    ["bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "ugx", "vnd", "vuv", "xaf", "xof", "xpf"]
)
THREE_DECIMAL = frozenset(["bhd", "jod", "kwd", "omr", "tnd"])


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in minor units and a lower-case ISO 4217 code."""

    minor: int
    currency: str

    def __str__(self) -> str:
        return f"{self.minor / 10**self.decimals:,.{self.decimals}f} {self.currency.upper()}"

    @property
    def decimals(self) -> int:
        """How many digits of `minor` stand behind the point."""
        if self.currency in ZERO_DECIMAL:
            return 0
        return 3 if self.currency in THREE_DECIMAL else 2
