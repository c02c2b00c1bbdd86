"""What an invoice lists, and the tax in it.

Prices include tax, since a family is charged what it is shown. So the amount is given and the tax is taken out of it:
amount x rate / (100 + rate), rounded half up to the currency's smallest unit; the net is the rest. Each line therefore
adds up, and so does each sum of lines. A correction's tax is the difference between the tax on the remaining amount by
this rule and the tax invoiced before: however often money goes back, all documents of a payment together carry exactly
the tax on what is left of it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Self

from core.money import Money

from ..purposes import Service

WHOLE = Decimal(1)


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """One thing that was sold. Amounts are in minor units; `tax_rate` is in percent, None if no tax is stated.
    `amount_minor` is what is charged: the list price minus `discount_minor`, whose name is `discount`. `service` says
    for whom and for which days, if the seller knows."""

    description: str
    amount_minor: int
    tax_rate: Decimal | None = None
    tax_minor: int = 0
    quantity: int = 1
    discount: str = ""
    discount_minor: int = 0
    service: Service | None = None

    @property
    def list_minor(self) -> int:
        return self.amount_minor + self.discount_minor

    @property
    def parts(self) -> list["InvoiceLine"]:
        """The line as it is printed: the list price, then the discount. The tax of both is that on what is charged."""
        if not self.discount_minor:
            return [self]
        full = line_of(self.description, self.list_minor, self.tax_rate, service=self.service)
        off = InvoiceLine(self.discount, -self.discount_minor, self.tax_rate, self.tax_minor - full.tax_minor)
        return [full, off]

    def explain(self, currency: str) -> str:
        """Return what a vendor prints below: the list price and the discount, the days of the service, and the learner
        by an id; empty if there is none of it."""
        told = []
        if self.discount_minor:
            off = Money(self.discount_minor, currency)
            told.append(f"List price {Money(self.list_minor, currency)}, {self.discount} -{off}")
        if self.service is not None:
            told += [f"Service {days}" for days in [self.service.days] if days]
            told.append(f"Learner {self.service.reference}")
        return ". ".join(told)

    @property
    def net_minor(self) -> int:
        return self.amount_minor - self.tax_minor

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Self:
        """Return a line from `Invoice.lines`; lines from before 2026-12 have neither rate nor tax."""
        rate = stored.get("tax_rate")
        return cls(
            description=stored["description"],
            amount_minor=stored["amount_minor"],
            tax_rate=None if rate is None else Decimal(rate),
            tax_minor=stored.get("tax_minor", 0),
            quantity=stored.get("quantity", 1),
            discount=stored.get("discount", ""),
            discount_minor=stored.get("discount_minor", 0),
            service=Service.read(stored["service"]) if stored.get("service") else None,
        )

    def stored(self) -> dict[str, Any]:
        """Return the line as `Invoice.lines` stores it."""
        off = {"discount": self.discount, "discount_minor": self.discount_minor} if self.discount_minor else {}
        return {
            "description": self.description,
            "quantity": self.quantity,
            "amount_minor": self.amount_minor,
            "tax_rate": None if self.tax_rate is None else str(self.tax_rate),
            "tax_minor": self.tax_minor,
            **off,
            **({"service": self.service.stored()} if self.service is not None else {}),
        }


def line_of(
    description: str,
    amount_minor: int,
    tax_rate: Decimal | None,
    *,
    discount: str = "",
    discount_minor: int = 0,
    service: Service | None = None,
) -> InvoiceLine:
    """Return what is charged for one thing, including tax, after the discount."""
    return InvoiceLine(
        description,
        amount_minor,
        tax_rate,
        tax_within(amount_minor, tax_rate),
        discount=discount,
        discount_minor=discount_minor,
        service=service,
    )


def change_of(description: str, before: Iterable[InvoiceLine], left_minor: int) -> InvoiceLine:
    """Return what a correction says: from the total of the previous lines to what is left."""
    lines = list(before)
    rate = lines[0].tax_rate
    return InvoiceLine(
        description,
        left_minor - sum(line.amount_minor for line in lines),
        rate,
        tax_within(left_minor, rate) - sum(line.tax_minor for line in lines),
        service=lines[0].service,
    )


def tax_within(amount_minor: int, tax_rate: Decimal | None) -> int:
    """Return the tax that an amount includes, in minor units."""
    if not tax_rate:
        return 0
    tax = amount_minor * tax_rate / (100 + tax_rate)
    return int(tax.quantize(WHOLE, rounding=ROUND_HALF_UP))
