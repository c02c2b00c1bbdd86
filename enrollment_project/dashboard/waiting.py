"""What waits for a person: a tile for each kind of staff task and for each queue that is not empty.

A tile counts the rows its list shows, up to the limit of the list's own count. One query covers all tasks, and each
queue takes one more.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any, cast

from django.contrib import admin
from django.db.models import Count, Min
from django.http import HttpRequest
from django.utils.timesince import timesince

from accounts.models import StaffTask
from accounts.roles import POWERS, StaffAccess
from accounts.states import TaskStatus
from accounts.task_kinds import TaskKind, Urgency, find_kind
from backoffice.display import moment, page_url
from backoffice.queues import Queue, list_queues
from backoffice.scoping import COUNT_CAP, WorkspaceScopedAdmin, access_of

from .scope import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One queue: `count` rows wait, the oldest `since`; `is_mine` if the person looking can act on them."""

    name: str
    label: str
    hint: str
    count: int
    since: dt.datetime
    now: dt.datetime
    url: str
    urgency: Urgency
    is_mine: bool
    desk_url: str = ""

    @property
    def is_urgent(self) -> bool:
        return self.urgency == Urgency.NOW

    @property
    def is_capped(self) -> bool:
        """Return whether there may be more rows than were counted, the oldest of which is unknown."""
        return self.count >= COUNT_CAP

    @property
    def age(self) -> str:
        """Return how long the oldest row has waited, such as "3 days"."""
        return timesince(self.since, self.now, depth=1).replace("\xa0", " ")

    @property
    def when(self) -> str:
        return moment(self.since)


@dataclass(frozen=True, slots=True)
class Waiting:
    """The tiles: those that the person looking can act on, and those that only others can."""

    mine: list[Tile]
    others: list[Tile]

    @property
    def count(self) -> int:
        return sum(tile.count for tile in self.mine)


def find_waiting(request: HttpRequest, scope: Scope, *, now: dt.datetime) -> Waiting:
    """Return the tiles of the scope, the most urgent first and, at equal urgency, the longest waiting first."""
    tiles = [*_tasks(request, scope, now), *_rows(request, scope, now)]
    tiles.sort(key=lambda tile: (tile.urgency, tile.since, tile.name))
    return Waiting([tile for tile in tiles if tile.is_mine], [tile for tile in tiles if not tile.is_mine])


def _page_of(model: Any) -> WorkspaceScopedAdmin:
    return cast(WorkspaceScopedAdmin, admin.site.get_model_admin(model))


def _tasks(request: HttpRequest, scope: Scope, now: dt.datetime) -> list[Tile]:
    """Return a tile for each kind of open task."""
    page = _page_of(StaffTask)
    rows = page.get_queryset(request).filter(status=TaskStatus.OPEN, **scope.asked_of(page)).order_by()
    found = rows.values_list("kind").annotate(Count("pk"), Min("created_at"))
    return [_task_tile(kind, count, since, scope, now) for kind, count, since in found]


def _task_tile(name: str, count: int, since: dt.datetime, scope: Scope, now: dt.datetime) -> Tile:
    kind = find_kind(name)
    return Tile(
        name=name,
        label=kind.label if kind else name,
        hint=kind.remedy if kind else "",
        count=min(count, COUNT_CAP),
        since=since,
        now=now,
        url=scope.list_url(StaffTask, status__exact=TaskStatus.OPEN.value, kind__exact=name),
        urgency=kind.urgency if kind else Urgency.LATER,
        is_mine=kind is not None and _may_deal_with(scope.access, kind),
    )


def _may_deal_with(access: StaffAccess, kind: TaskKind) -> bool:
    """Return whether the person has, in some workspace, all powers of the least role that can resolve such tasks."""
    needed = POWERS[kind.role]
    return access.everywhere or any(needed <= held for held in access.powers.values())


def _rows(request: HttpRequest, scope: Scope, now: dt.datetime) -> list[Tile]:
    found = (_queue_tile(queue, request, scope, now) for queue in list_queues())
    return [tile for tile in found if tile is not None]


def _queue_tile(queue: Queue, request: HttpRequest, scope: Scope, now: dt.datetime) -> Tile | None:
    page = _page_of(queue.model)
    if not page.has_module_permission(request):
        return None
    rows = queue.narrow(page.get_queryset(request).filter(**scope.asked_of(page)).order_by(), now)
    counted = rows.values("pk", queue.since)[:COUNT_CAP].aggregate(count=Count("pk"), since=Min(queue.since))
    if not counted["count"]:
        return None
    access = scope.access if page.workspace_path else access_of(request)
    return Tile(
        name=queue.name,
        label=queue.label,
        hint=queue.hint,
        now=now,
        url=scope.list_url(queue.model, **queue.asked_by),
        urgency=queue.urgency,
        is_mine=access.may_anywhere(queue.power),
        desk_url=page_url(queue.model, queue.desk) if queue.desk else "",
        **counted,
    )
