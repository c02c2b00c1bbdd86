"""How staff customize lists: which columns they hide, and the filters that they saved or a colleague shares."""

from dataclasses import dataclass, field
from typing import Any, cast

from django.db import models
from django.http import HttpRequest
from django.urls import reverse

from accounts.models import User
from accounts.roles import Power, StaffAccess

from .models import SavedList


@dataclass(frozen=True, slots=True)
class KeptFilter:
    """A saved filter above its list."""

    name: str
    url: str
    note: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Kept:
    """What somebody has saved for one list: `hidden` is None until they choose columns, and `filters` are their own and
    those shared with them, by name."""

    hidden: frozenset[str] | None = None
    filters: list[SavedList] = field(default_factory=list)

    def shown(self, columns: list[Any], *, hidden_at_first: frozenset[str] = frozenset()) -> list[Any]:
        """Return the columns that are not hidden; all of them if none would be left."""
        hidden = hidden_at_first if self.hidden is None else self.hidden
        return [column for column in columns if column not in hidden] or columns


def find_kept(request: HttpRequest, model: type[models.Model], access: StaffAccess) -> Kept:
    """Return them with one query, once per request and list."""
    known: dict[Any, Kept] | None = getattr(request, "kept_lists", None)
    if known is None:
        known = request.kept_lists = {}  # type: ignore[attr-defined]
    if model not in known:
        known[model] = _read(cast(User, request.user), model, access)
    return known[model]


def offer_filters(request: HttpRequest, model: type[models.Model], access: StaffAccess) -> list[KeptFilter]:
    """Return the saved filters as links above the list."""
    chosen = request.GET.urlencode()
    return [
        KeptFilter(saved.name, f"?{saved.query}", tell_sharing(saved), saved.query == chosen)
        for saved in find_kept(request, model, access).filters
    ]


def tell_sharing(saved: SavedList) -> str:
    """Return who will find it."""
    return f"shared with {saved.workspace}" if saved.workspace else "mine alone"


def own_or_shared(user: User, access: StaffAccess) -> models.QuerySet[SavedList]:
    """Select everything somebody has saved, and the filters shared in the workspaces they see."""
    is_shared = models.Q(workspace__isnull=False)
    if not access.everywhere:
        is_shared = models.Q(workspace__in=access.workspace_ids(Power.VIEW))
    return SavedList.objects.filter(models.Q(user=user) | is_shared)


def settings_url(model: type[models.Model]) -> str:
    """Return the URL of the page on which a list's columns and filters are chosen."""
    return reverse("list-settings", args=[model._meta.label_lower])


def _read(user: User, model: type[models.Model], access: StaffAccess) -> Kept:
    hidden: frozenset[str] | None = None
    filters = []
    rows = own_or_shared(user, access).filter(model=model._meta.label_lower)
    for row in rows.select_related("workspace").order_by("name", "pk"):
        if row.name:
            filters.append(row)
        elif row.user_id == user.pk:
            hidden = frozenset(row.hidden)
    return Kept(hidden, filters)
