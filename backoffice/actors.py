"""Actors in words: the trail stores `user:3` and `key:5`, and staff read names, but only of people they may know."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django.db.models import Q
from unfold.decorators import display

from accounts.models import ApiKey, Guardian, Membership, User
from accounts.roles import StaffAccess
from core.numbers import parse_whole_number

from .display import NOTHING

_OTHERS = {
    "system": "The platform",
    "stripe": "Stripe",
    "partner": "The partner",
    "receiver": "Recipient of the mail",
    "application": "The family, in an application",
}


def name_actors(access: StaffAccess, texts: Iterable[str]) -> dict[str, str]:
    """Return what to call each of these actors, with one query per kind. People outside the reader's own workspaces are
    called by what they are."""
    ids: dict[str, dict[int, str]] = {}
    named = {}
    for text in set(texts):
        kind, _, number = text.partition(":")
        key = parse_whole_number(number)
        if key is not None:
            ids.setdefault(kind, {})[key] = text
        named[text] = _OTHERS.get(kind, text.replace(":", " ").capitalize())
    for kind, find in _FINDERS.items():
        if kind in ids:
            found = find(access, ids[kind])
            named |= {ids[kind][key]: name for key, name in found.items()}
    return named


def _find_users(access: StaffAccess, ids: Iterable[int]) -> dict[int, str]:
    users = {user.pk: user for user in User.objects.filter(pk__in=list(ids))}
    colleagues = set(users)
    if not access.everywhere:
        ours = Membership.objects.filter(user__in=users, workspace__in=list(access.powers))
        colleagues = set(ours.values_list("user_id", flat=True))
    return {pk: _call(user, is_colleague=pk in colleagues) for pk, user in users.items()}


def _call(user: User, *, is_colleague: bool) -> str:
    if is_colleague:
        return user.get_full_name() or str(user)
    if user.is_superuser:
        return "Staff of the platform"
    return "Former staff" if user.is_staff else "The family"


def _find_keys(access: StaffAccess, ids: Iterable[int]) -> dict[int, str]:
    keys = ApiKey.objects.filter(_mine(access), pk__in=list(ids))
    return {pk: f"API key {name}" for pk, name in keys.values_list("pk", "name")}


def _find_guardians(access: StaffAccess, ids: Iterable[int]) -> dict[int, str]:
    guardians = Guardian.objects.filter(_mine(access), pk__in=list(ids))
    return {guardian.pk: str(guardian) for guardian in guardians}


def _mine(access: StaffAccess) -> Q:
    return Q() if access.everywhere else Q(workspace__in=list(access.powers))


_FINDERS: Mapping[str, Callable[[StaffAccess, Iterable[int]], dict[int, str]]] = {
    "user": _find_users,
    "key": _find_keys,
    "guardian": _find_guardians,
}


def actor_column(field_name: str, description: str = "by") -> Callable[[Any, Any], str]:
    """Return a column with the actor's name. Its page lists the field in `actor_fields`."""

    @display(description=description, ordering=field_name)
    def column(_admin: Any, row: Any) -> str:
        text = getattr(row, field_name)
        return getattr(row, "actor_names", {}).get(text, text) or NOTHING

    return column
