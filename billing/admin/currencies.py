"""The currency filter that lists of money share."""

import copy
from typing import Any

from django.http import HttpRequest
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from accounts.roles import Power
from backoffice.scoping import access_of

from ..models import Price


def currencies_in_sight(request: HttpRequest) -> set[str]:
    """Return the currencies of the prices in the workspaces that the person may see."""
    prices = access_of(request).limit(Price.objects.order_by(), path="workspace", power=Power.VIEW)
    return set(prices.values_list("currency", flat=True).distinct())


class CurrencyFilter(ChoicesDropdownFilter):
    """Offers the currencies of prices in the visible workspaces: querying the list itself would read all of it. Hidden
    if there is no choice, unless a link has set it."""

    def __init__(
        self, field: Any, request: HttpRequest, params: Any, model: Any, model_admin: Any, field_path: str
    ) -> None:
        super().__init__(copy.copy(field), request, params, model, model_admin, field_path)
        self.chosen = {str(value) for value in self.lookup_val or () if value}
        offered = sorted(self.chosen | currencies_in_sight(request))
        self.field.choices = [(code, code.upper()) for code in offered]

    def has_output(self) -> bool:
        return bool(self.chosen) or len(self.field.flatchoices) > 1
