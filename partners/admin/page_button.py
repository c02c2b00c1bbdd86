"""A row button that leads to a page of its own, which carries out the action."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from unfold.enums import ActionVariant

from accounts.roles import Power
from backoffice.actions import RowButton, StaffForm


@dataclass(kw_only=True)
class PageButton(RowButton):
    address: Callable[[Any], str]

    def press(self, model_admin: Any, request: HttpRequest, object_id: str) -> HttpResponse:
        return HttpResponseRedirect(self.address(self.find_row(model_admin, request, object_id)))


def page_button(
    *,
    description: str,
    power: Power,
    icon: str,
    address: Callable[[Any], str],
    variant: ActionVariant = ActionVariant.DEFAULT,
) -> PageButton:
    """Return a button that leads to the page at the row's `address`, and is named after it."""
    return PageButton(
        perform=address,
        description=description,
        power=power,
        possible=lambda row: True,
        form=StaffForm,
        preview=None,
        explanation="",
        icon=icon,
        variant=variant,
        address=address,
    )
