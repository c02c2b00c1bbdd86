"""What waits for a person: each app declares beside its lists which of their rows wait.

The front page counts these rows, and the list filters by them; both use the same query, so both show the same rows.
Rows with a staff task are not declared here: they wait through their task, and each task kind has its own queue.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.db import models
from django.http import HttpRequest
from unfold.contrib.filters.admin import DropdownFilter

from accounts.roles import Power
from accounts.task_kinds import Urgency
from core.clock import utc_now

Narrow = Callable[[models.QuerySet[Any], dt.datetime], models.QuerySet[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """Rows of one list that wait for a person who has the power.

    `narrow` finds them among those that the person sees, given a moment; `since` is the field that says how long a row
    has waited. `query` is what the list's URL needs to show them, if one of the list's own filters already does; `desk`
    names a page of the model on which they are dealt with one by one.
    """

    name: str
    label: str
    hint: str
    model: type[models.Model]
    narrow: Narrow
    since: str
    power: Power
    urgency: Urgency = Urgency.SOON
    query: tuple[str, str] | None = None
    desk: str = ""

    @property
    def asked_by(self) -> dict[str, str]:
        """Return the parameters of the list's URL."""
        name, value = self.query or (QueueFilter.parameter_name, self.name)
        return {name: value}


_queues: dict[type[models.Model], list[Queue]] = defaultdict(list)


def register_queue(queue: Queue) -> Queue:
    """Register a queue; called by the list's module."""
    if any(known.name == queue.name for known in list_queues()):
        raise ValueError(f"There is a queue called {queue.name} already.")
    _queues[queue.model].append(queue)
    return queue


def list_queues() -> list[Queue]:
    return [queue for queues in _queues.values() for queue in queues]


def filtered_queues(model: type[models.Model]) -> list[Queue]:
    """Return the queues that a model's list offers as a filter, because no other filter shows them."""
    return [queue for queue in _queues[model] if queue.query is None]


class QueueFilter(DropdownFilter):
    """Shows the rows of a queue; every list that has one offers it."""

    title = "what waits for a person"
    parameter_name = "queue"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(queue.name, queue.label) for queue in filtered_queues(model_admin.model)]

    def queryset(self, request: HttpRequest, queryset: models.QuerySet[Any]) -> models.QuerySet[Any]:
        chosen = [queue for queue in filtered_queues(queryset.model) if queue.name == self.value()]
        return chosen[0].narrow(queryset, utc_now()) if chosen else queryset
