"""Whose figures the front page shows: those of all the person's workspaces, or of the one they selected.

The address holds the choice, and the session remembers it. Members of a single workspace are never asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlencode

from django.contrib import admin
from django.core.exceptions import BadRequest
from django.db import models
from django.http import HttpRequest

from accounts.models import Workspace
from accounts.roles import Power, StaffAccess
from backoffice.display import page_url
from backoffice.scoping import access_of
from core.numbers import parse_whole_number

PARAMETER = "workspace"
ALL = "all"
REMEMBERED = "dashboard_workspace"
CHOICES_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Scope:
    """`access` is limited to the selected workspace; `choices` is empty if there is nothing to choose."""

    access: StaffAccess
    chosen: Workspace | None
    choices: Sequence[Workspace]

    @property
    def zone(self) -> str:
        return self.access.zone

    def asked_of(self, page: Any) -> dict[str, Any]:
        """Return the filter that limits a list page to the selected workspace; platform-wide rows belong to none."""
        if self.chosen is None or not page.workspace_path:
            return {}
        return {f"{page.workspace_path}__id__exact": self.chosen.pk}

    def list_url(self, model: type[models.Model], **asked: object) -> str:
        """Return the address of a model's list, limited to this scope and the given filters."""
        page = admin.site.get_model_admin(model)
        return f"{page_url(model, 'changelist')}?{urlencode({**asked, **self.asked_of(page)})}"


def scope_of(request: HttpRequest) -> Scope:
    """Return the request's scope, looked up once. Raise BadRequest for a workspace the person may not look at."""
    known = getattr(request, "dashboard_scope", None)
    if known is None:
        known = _find_scope(request)
        request.dashboard_scope = known  # type: ignore[attr-defined]
    return cast(Scope, known)


def _find_scope(request: HttpRequest) -> Scope:
    access = access_of(request)
    if not access.everywhere and len(access.powers) <= 1:
        return Scope(access, None, ())
    theirs = access.limit(Workspace.objects.order_by("name", "pk"), path="id", power=Power.VIEW)
    choices = list(theirs[:CHOICES_SHOWN])
    if len(choices) <= 1:
        return Scope(access, None, ())
    asked = request.GET.get(PARAMETER)
    workspace_id = parse_whole_number(str(request.session.get(REMEMBERED, "")) if asked is None else asked)
    chosen = theirs.filter(pk=workspace_id).first() if workspace_id is not None else None
    if asked is not None:
        if chosen is None and asked != ALL:
            raise BadRequest("There is no such workspace, or you are not a member of it. Open the dashboard again.")
        request.session[REMEMBERED] = chosen.pk if chosen else ""
    return Scope(_only(access, chosen) if chosen else access, chosen, choices)


def _only(access: StaffAccess, workspace: Workspace) -> StaffAccess:
    """Limit the person's access to this workspace."""
    held = frozenset(Power) if access.everywhere else access.powers[workspace.pk]
    return StaffAccess(everywhere=False, powers={workspace.pk: held}, zones=frozenset({workspace.timezone}))
