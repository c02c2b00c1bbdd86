"""Records what staff do, in the same transaction."""

import contextlib
import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import models, transaction
from django.http import HttpRequest

from accounts.account_deeds import hear_of_deeds
from accounts.models import Membership
from core.actors import Actor
from core.clock import utc_now
from core.http.middleware import current_request_id
from core.text import fit

from ..models import AuditEntry

# Rows about families: only the names of changed fields are stored, never their values. So an erased person leaves only
# an id behind.
OF_PEOPLE = {
    "accounts.guardian",
    "accounts.guardianinvitation",
    "accounts.lead",
    "accounts.learner",
    "enrollments.application",
}
# Fields whose text is neither secret nor personal; for all others, only the fact of a change is stored.
SHOWN_TEXTS = {"code", "currency", "name", "number", "slug", "timezone", "title"}
_SHOWN_FIELDS = (
    models.BooleanField,
    models.DateField,
    models.DecimalField,
    models.ForeignKey,
    models.IntegerField,
    models.TimeField,
)
# Form fields in which staff give their reason.
_REASONS = ("reason", "note", "resolution")

Changes = dict[str, list[Any] | None]


@dataclass
class Deed:
    """What a request is about to do: entries written meanwhile get its reason."""

    reason: str = ""
    entries: int = 0


def record(
    request: HttpRequest,
    *,
    action: str,
    model: str,
    object_id: object = "",
    workspace_id: int | None,
    changes: Mapping[str, list[Any] | None] | None = None,
    reason: str = "",
) -> AuditEntry:
    """Write an entry for the person behind the request. Joins the caller's transaction."""
    deed = _deed_of(request)
    deed.entries += 1
    entry = AuditEntry(
        at=utc_now(),
        actor=f"user:{request.user.pk}",
        workspace_id=workspace_id,
        model=model,
        object_id=str(object_id),
        action=fit(AuditEntry, "action", action),
        changes=dict(changes or {}),
        reason=fit(AuditEntry, "reason", reason or deed.reason),
        request_id=current_request_id(),
    )
    entry.save()
    return entry


def record_departure(
    *, actor: Actor, action: str, model: str, object_id: object, workspace_id: int, now: dt.datetime
) -> AuditEntry:
    """Record that data left the platform through somebody who is not on a staff page: a family, or an operator by a
    command. Joins the caller's transaction."""
    entry = AuditEntry(
        at=now,
        actor=str(actor),
        workspace_id=workspace_id,
        model=model,
        object_id=str(object_id),
        action=fit(AuditEntry, "action", action),
        request_id=current_request_id(),
    )
    entry.save()
    return entry


def record_of_account(request: HttpRequest, action: str) -> None:
    """Record what somebody did about their own account, for the owners of each workspace they belong to."""
    memberships = Membership.objects.filter(user=request.user.pk).order_by("pk")
    workspaces: list[int | None] = list(memberships.values_list("workspace", flat=True))
    for workspace_id in workspaces or [None]:
        record(request, action=action, model="accounts.user", object_id=request.user.pk, workspace_id=workspace_id)


hear_of_deeds(record_of_account)


@contextlib.contextmanager
def one_deed(request: HttpRequest, form: Any = None, *, in_transaction: bool = True) -> Iterator[Deed]:
    """Make everything written inside one unit: all of it happens, with its entries, or nothing."""
    before = getattr(request, "staff_deed", None)
    deed = Deed(reason=reason_of(form))
    request.staff_deed = deed  # type: ignore[attr-defined]
    try:
        with transaction.atomic() if in_transaction else contextlib.nullcontext():
            yield deed
    finally:
        request.staff_deed = before  # type: ignore[attr-defined]


def _deed_of(request: HttpRequest) -> Deed:
    deed = getattr(request, "staff_deed", None)
    if deed is None:
        deed = request.staff_deed = Deed()  # type: ignore[attr-defined]
    return deed


def reason_of(form: Any) -> str:
    answers = getattr(form, "cleaned_data", {})
    return " · ".join(str(answers[name]) for name in _REASONS if answers.get(name) and isinstance(answers[name], str))


def values_of(row: models.Model) -> dict[str, Any]:
    """Return a row's columns as they are in the database now; empty once it is gone."""
    found = type(row)._base_manager.filter(pk=row.pk).values().first()
    return found or {}


def remember(request: HttpRequest, row: models.Model) -> None:
    """Remember a row's values before somebody changes it, without another query; deferred columns are left out."""
    loaded = row.__dict__
    before = {each.attname: loaded[each.attname] for each in row._meta.concrete_fields if each.attname in loaded}
    request.staff_row_before = (type(row), row.pk, before)  # type: ignore[attr-defined]


def changes_of(request: HttpRequest, row: models.Model) -> Changes:
    """Return what has changed on a row since it was remembered."""
    model, pk, before = getattr(request, "staff_row_before", (None, None, {}))
    return changes_between(type(row), before, values_of(row)) if (model, pk) == (type(row), row.pk) else {}


def changes_between(model: type[models.Model], before: Mapping[str, Any], after: Mapping[str, Any]) -> Changes:
    """Return what differs from the remembered values, by column; None replaces values that are not stored. Empty for a
    row that is gone."""
    fields = {each.attname: each for each in model._meta.concrete_fields}
    return {
        name: [before[name], after[name]] if _is_shown(model, column) else None
        for name, column in fields.items()
        if name in before and name in after and before[name] != after[name]
    }


def _is_shown(model: type[models.Model], column: Any) -> bool:
    if model._meta.label_lower in OF_PEOPLE:
        return False
    is_plain = isinstance(column, _SHOWN_FIELDS) or column.name in SHOWN_TEXTS
    return bool(is_plain or (column.choices and isinstance(column, models.CharField)))
