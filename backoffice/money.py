"""Amounts of money on back-office forms."""

import re
from decimal import Decimal
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextInputWidget

from core.money import Money

_AMOUNT = re.compile(r"-?[0-9]+([.][0-9]*)?")


class MoneyField(forms.DecimalField):
    """An amount as people write it, in whole units with the currency's own decimals: 49.00, or 4900 yen.

    Cleans to minor units, and takes minor units as its initial value. The form sets the `currency` before it is shown.
    """

    widget = UnfoldAdminTextInputWidget
    default_error_messages = {"invalid": "Enter an amount in digits, for example 49.00."}
    currency = "usd"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"max_digits": 15, **kwargs})
        self.widget.attrs["inputmode"] = "decimal"

    def ask_in(self, currency: str) -> None:
        """Ask for an amount in this currency, and say so."""
        self.currency = currency
        self.label = f"Amount in {currency.upper()}"

    def prepare_value(self, value: Any) -> Any:
        """Return minor units as people write them; typed text stays as it is."""
        if not isinstance(value, int):
            return value
        money = Money(value, self.currency)
        return f"{money.units:.{money.decimals}f}"

    def clean(self, value: Any) -> int | None:
        # Django's field also accepts 1_000, 1e3, and the digits of all scripts.
        if value not in self.empty_values and not _AMOUNT.fullmatch(str(value).strip()):
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")
        units: Decimal | None = super().clean(value)
        if units is None:
            return None
        if units <= 0:
            raise forms.ValidationError("Give an amount above zero.")
        try:
            return Money.of(units, self.currency).minor
        except ValueError as error:
            raise forms.ValidationError(self._too_fine()) from error

    def _too_fine(self) -> str:
        code = self.currency.upper()
        decimals = Money(0, self.currency).decimals
        return f"{code} has {decimals} decimals." if decimals else f"{code} has no decimals: enter a whole number."
