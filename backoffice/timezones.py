"""Time zones in the back office: chosen from a list, never typed; lists use the workspace's zone."""

from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from unfold.widgets import UnfoldAdminSelectWidget

from core.local_time import known_zones

from .scoping import WorkspaceModelForm, access_of

# The zones people live in, and UTC.
_REGIONS = ("Africa/", "America/", "Asia/", "Atlantic/", "Australia/", "Europe/", "Indian/", "Pacific/")
ZONES = [("UTC", "UTC"), *((name, name) for name in sorted(known_zones()) if name.startswith(_REGIONS))]


def zone_choices(own: str = "") -> list[tuple[str, str]]:
    """Return the zones to choose from, and the row's current one if it is none of them."""
    return [(own, own), *ZONES] if own and own not in dict(ZONES) else ZONES


class TimezoneForm(WorkspaceModelForm):
    """A form for a row that has a local clock."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "timezone" in self.fields:
            plain = self.fields["timezone"]
            choices = zone_choices(self.instance.timezone)
            self.fields["timezone"] = forms.ChoiceField(
                choices=choices if plain.required else [("", "The workspace's"), *choices],
                widget=UnfoldAdminSelectWidget,
                required=plain.required,
                help_text=plain.help_text,
            )


def offer_zones(field: forms.Field, own: str) -> None:
    """Offer the zones in a question's choice field."""
    assert isinstance(field, forms.ChoiceField)
    field.choices = zone_choices(own)


class StaffZoneMiddleware:
    """Writes the times on back-office pages in the zone of the viewer's workspaces; each names it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with timezone.override(None):  # anything activated inside ends with the request
            return self.get_response(request)

    def process_view(self, request: HttpRequest, *view: Any) -> None:
        if request.resolver_match is not None and "admin" in request.resolver_match.app_names:
            timezone.activate(ZoneInfo(access_of(request).zone))
