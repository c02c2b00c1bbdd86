"""What waits for a person: an app says beside its lists which of their rows do.

The front page counts them, and the list filters by them: both ask the same question, so both show the same rows. What
has a staff task waits by its task, which has a queue for each of its kinds, and is not said here again.
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

    `narrow` finds them among those that the person sees, by a moment; `since` is the field that says how long a row has
    waited; `query` is how the list is asked for them, where a filter of its own does that already;
    `desk` names a page of the model on which one is dealt with after the other.
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
        """The parameters of the list's address."""
        name, value = self.query or (QueueFilter.parameter_name, self.name)
        return {name: value}


_queues: dict[type[models.Model], list[Queue]] = defaultdict(list)


def register_queue(queue: Queue) -> Queue:
    """Called by the module of the list."""
    if any(known.name == queue.name for known in list_queues()):
        raise ValueError(f"There is a queue called {queue.name} already.")
    _queues[queue.model].append(queue)
    return queue


def list_queues() -> list[Queue]:
    return [queue for queues in _queues.values() for queue in queues]


def filtered_queues(model: type[models.Model]) -> list[Queue]:
    """Those that the list of a model offers to filter by, having no other filter for them."""
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
