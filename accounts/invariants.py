"""Invariants of tenancy, guardians, and merged learners."""

import datetime as dt
from collections.abc import Iterator
from functools import cache

from django.apps import apps
from django.db import connection
from django.db.models import CharField, F, ForeignKey, Model, Value
from django.db.models.functions import Concat

from core.invariants import Breach, Extent, Invariant

from .belongings import belongings
from .guardian_invitations import unanswered_invitations
from .models import Guardian, Learner, LearnerMerge, StaffTask, Workspace
from .states import TaskStatus
from .task_kinds import NO_ADDRESS

# The sweep runs every hour; an invitation that expired this long ago has been missed.
SWEEP_TELLS_WITHIN = dt.timedelta(hours=3)


def foreign_keys_stay_in_their_workspace(extent: Extent) -> Iterator[Breach]:
    """A row and everything it points at belong to one workspace: for every key of every model."""
    keys, statement, count = _strays(connection.vendor, is_of_one=extent.workspace_id is not None)
    with connection.cursor() as cursor:
        cursor.execute(statement, [extent.workspace_id] * count)
        found = cursor.fetchall()
    for number, pk, target in found:
        key = keys[number]
        yield Breach(f"{key.model._meta.verbose_name} {pk}", f"its {key.name} {target} belongs to another workspace")


@cache
def _strays(vendor: str, *, is_of_one: bool) -> tuple[list[ForeignKey[Model, Model]], str, int]:
    """Return the keys, one statement that finds the rows by the number of their key, and how many times it takes the
    workspace as a parameter. It depends on the models alone, and building some sixty queries takes longer than running
    them."""
    paths = paths_to_workspace()
    keys: list[ForeignKey[Model, Model]] = []
    parts: list[str] = []
    count = 0
    for model, own_path in paths.items():
        for key in _foreign_keys(model):
            path = paths.get(key.related_model)
            if path is None or own_path == f"{key.name}__{path}":  # the path itself needs no comparison
                continue
            rows = model._default_manager.filter(**({own_path: 0} if is_of_one else {})).order_by()
            strays = rows.exclude(**{own_path: F(f"{key.name}__{path}")})
            query, parameters = strays.values_list("pk", key.attname).query.sql_with_params()
            parts.append(f"SELECT {len(keys)}, stray.* FROM ({query}) AS stray")  # noqa: S608  (our own query)
            keys.append(key)
            count += len(parameters)
    return keys, " UNION ALL ".join(parts), count


def no_task_asks_for_an_address_that_is_there(extent: Extent) -> Iterator[Breach]:
    """A guardian whose address is known has no open task that asks for it."""
    asked = extent.of(StaffTask.objects.all()).filter(kind=NO_ADDRESS.name, status=TaskStatus.OPEN)
    subject = Concat(Value("guardian:"), "pk", output_field=CharField())
    found = Guardian.objects.filter(email__isnull=False).annotate(subject=subject)
    for pk in found.filter(subject__in=asked.values("subject")).values_list("pk", flat=True).iterator():
        yield Breach(f"guardian {pk}", "has an address, and an open task asks for it")


def unanswered_invitations_are_told(extent: Extent) -> Iterator[Breach]:
    """Staff are told about every invitation that nobody accepted in time."""
    untold = extent.of(unanswered_invitations(now=extent.now - SWEEP_TELLS_WITHIN).order_by())
    for pk in untold.values_list("pk", flat=True).iterator():
        yield Breach(f"guardian invitation {pk}", "ran out hours ago, and no sweep told staff")


def nothing_belongs_to_a_merged_learner(extent: Extent) -> Iterator[Breach]:
    """Everything a merged learner had belongs to the learner who stayed, in every app, the account included."""
    for each in belongings():
        rows = extent.of(each.model._default_manager.all(), f"{each.field}__workspace")
        strays = rows.filter(**{f"{each.field}__merged_into__isnull": False})
        for pk, learner in strays.values_list("pk", f"{each.field}_id").iterator():
            yield Breach(f"{each.model._meta.verbose_name} {pk}", f"belongs to learner {learner}, who was merged")
    accounts = extent.of(Learner.objects.all()).filter(merged_into__isnull=False, user__isnull=False)
    for pk in accounts.values_list("pk", flat=True).iterator():
        yield Breach(f"learner {pk}", "was merged, and has an account of their own")


def merged_learners_lead_to_a_live_one(extent: Extent) -> Iterator[Breach]:
    """A merged learner leads to a live one in one step, and by a recorded merge."""
    merged = extent.of(Learner.objects.all()).filter(merged_into__isnull=False)
    for pk in merged.filter(merged_into__merged_into__isnull=False).values_list("pk", flat=True).iterator():
        yield Breach(f"learner {pk}", "was merged into a learner who was merged")
    for pk in merged.filter(merge__isnull=True).values_list("pk", flat=True).iterator():
        yield Breach(f"learner {pk}", "was merged, and no record says why")
    undone = extent.of(LearnerMerge.objects.all()).filter(dropped__merged_into__isnull=True)
    for pk, dropped in undone.values_list("pk", "dropped").iterator():
        yield Breach(f"merged learner {pk}", f"learner {dropped} is not merged")


def paths_to_workspace() -> dict[type[Model], str]:
    """Return, for each model whose rows belong to a workspace, the path to it along keys that are never null."""
    paths = {model: _path_to_workspace(model) for model in apps.get_models()}
    return {model: path for model, path in paths.items() if path is not None}


def _path_to_workspace(model: type[Model]) -> str | None:
    keys = [key for key in _foreign_keys(model) if not key.null]
    for key in keys:
        if key.related_model is Workspace:
            return str(key.name)
    for key in keys:
        path = _path_to_workspace(key.related_model)
        if path is not None:
            return f"{key.name}__{path}"
    return None


def _foreign_keys(model: type[Model]) -> list[ForeignKey[Model, Model]]:
    return [field for field in model._meta.concrete_fields if isinstance(field, ForeignKey)]


INVARIANTS: tuple[Invariant, ...] = (
    foreign_keys_stay_in_their_workspace,
    no_task_asks_for_an_address_that_is_there,
    unanswered_invitations_are_told,
    nothing_belongs_to_a_merged_learner,
    merged_learners_lead_to_a_live_one,
)
