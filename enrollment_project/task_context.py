"""The context a worker's task carries from the request that started it, and what its log lines and spans contain."""

import contextlib
from typing import Any

import structlog
from celery import signals

from core.http.middleware import current_request_id
from core.tracing import PARENT, current_parent, send_traces, span, traced_statements

RUNG_BY = "rung_by"


@signals.before_task_publish.connect
def give_context(headers: dict[str, Any], **kwargs: Any) -> None:
    """Add the id and trace of the requesting request to the task's headers."""
    headers[RUNG_BY] = current_request_id()
    headers[PARENT] = current_parent()


@signals.task_prerun.connect
def open_context(task: Any, task_id: str, **kwargs: Any) -> None:
    """Bind the task's name, its id, and the id of the requesting request, if any, to its log lines."""
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
    """Set up tracing for each process of the worker's pool: threads do not survive a fork."""
    send_traces("worker")


@signals.worker_init.connect
def trace_the_worker(sender: Any = None, **kwargs: Any) -> None:
    """Set up tracing for a worker without a process pool, which runs its tasks itself."""
    if "prefork" not in str(getattr(sender, "pool_cls", "")):
        send_traces("worker")


def _header(task: Any, name: str) -> str:
    """Return a header of the message; Celery puts headers it does not know onto the request."""
    value = (task.request.headers or {}).get(name) or getattr(task.request, name, "")
    return value if isinstance(value, str) else ""
