"""What a task of the worker carries from where it was rung for, and what its log lines and spans say of it."""

import contextlib
from typing import Any

import structlog
from celery import signals

from core.http.middleware import current_request_id
from core.tracing import PARENT, current_parent, send_traces, span, traced_statements

RUNG_BY = "rung_by"


@signals.before_task_publish.connect
def give_context(headers: dict[str, Any], **kwargs: Any) -> None:
    """The request that rings for a task, and its trace, go along in the headers."""
    headers[RUNG_BY] = current_request_id()
    headers[PARENT] = current_parent()


@signals.task_prerun.connect
def open_context(task: Any, task_id: str, **kwargs: Any) -> None:
    """Log lines of a task name it, its id, and the request that rang for it, if one did."""
    facts = {"task": task.name, "task_id": task_id}
    if rung_by := _header(task, RUNG_BY):
        facts["request_id"] = rung_by
    opened = contextlib.ExitStack()
    opened.enter_context(structlog.contextvars.bound_contextvars(**facts))
    opened.enter_context(span(f"task {task.name}", facts, parent=_header(task, PARENT), kind="CONSUMER"))
    opened.enter_context(traced_statements())
    task.request.context_of_ours = opened


@signals.task_postrun.connect
def close_context(task: Any, **kwargs: Any) -> None:
    opened = getattr(task.request, "context_of_ours", None)
    if opened is not None:
        opened.close()


@signals.worker_process_init.connect
def trace_a_process(**kwargs: Any) -> None:
    """Each process of the worker's pool sends its own spans: threads do not live through a fork."""
    send_traces("worker")


@signals.worker_init.connect
def trace_the_worker(sender: Any = None, **kwargs: Any) -> None:
    """A worker without a pool of processes runs its tasks itself."""
    if "prefork" not in str(getattr(sender, "pool_cls", "")):
        send_traces("worker")


def _header(task: Any, name: str) -> str:
    """A header of the message; Celery puts those it does not know onto the request."""
    value = (task.request.headers or {}).get(name) or getattr(task.request, name, "")
    return value if isinstance(value, str) else ""
