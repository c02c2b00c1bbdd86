"""The filter by currency that lists of money share."""

import copy
from typing import Any

from django.http import HttpRequest
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from accounts.roles import Power
from backoffice.scoping import access_of

from ..models import Price


def currencies_in_sight(request: HttpRequest) -> set[str]:
    """Those in which the workspaces that somebody may look at have prices."""
    prices = access_of(request).limit(Price.objects.order_by(), path="workspace", power=Power.VIEW)
    return set(prices.values_list("currency", flat=True).distinct())


class CurrencyFilter(ChoicesDropdownFilter):
    """Offers the currencies in which the workspaces in sight have prices: asking the list itself for them would read
    all of it. Hidden where there is no choice, unless a link has chosen."""

    def __init__(
        self, field: Any, request: HttpRequest, params: Any, model: Any, model_admin: Any, field_path: str
    ) -> None:
        super().__init__(copy.copy(field), request, params, model, model_admin, field_path)
        self.chosen = {str(value) for value in self.lookup_val or () if value}
        offered = sorted(self.chosen | currencies_in_sight(request))
        self.field.choices = [(code, code.upper()) for code in offered]

    def has_output(self) -> bool:
        return bool(self.chosen) or len(self.field.flatchoices) > 1
