"""Hands work to Celery without depending on it: the row is the work, the broker is only a doorbell."""

import datetime as dt
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any, Protocol

import structlog
from celery import Signature, Task
from django.db import close_old_connections, transaction
from kombu.exceptions import OperationalError

from .clock import utc_now

log = structlog.get_logger(__name__)
# How many pieces of work a process may have running aside at once; further ones wait for a free thread.
THREADS = 8
# How long a process collects rows for a sweep before a worker runs it.
COLLECTING_SECONDS = 0.2
_is_quiet: ContextVar[bool] = ContextVar("is_quiet", default=False)
# Until when this process collects, by the sweep's name, on the monotonic clock.
collecting_until: dict[str, float] = {}


@contextmanager
def quietly() -> Iterator[None]:
    """Ring no bell within this block: for rows written after the fact, and for work that can wait for the sweeps."""
    token = _is_quiet.set(True)
    try:
        yield
    finally:
        _is_quiet.reset(token)


def nudge(task: Task[Any, Any] | Signature[Any], *ids: int | str) -> None:
    """After the current transaction commits, ask a worker to run `task` for these ids.

    A use case names its own app's task by `signature("app.tasks.name")`, because tasks import use cases.

    A broker that is down is logged and tolerated: the sweep also finds everything the task would do.
    """
    _after_commit(lambda: _ring(task, *ids))


def nudge_sweep(sweep: Task[Any, Any] | Signature[Any]) -> None:
    """After the current transaction commits, ask a worker to run `sweep`, which finds the new row by itself.

    One message serves all rows that a process commits within `COLLECTING_SECONDS`: the worker runs the sweep when they
    are over. A message takes about as long as a third of a booking (docs/decisions/0181).
    """

    def ring() -> None:
        now = time.monotonic()
        if now < collecting_until.get(sweep.name, now):
            return
        collecting_until[sweep.name] = now + COLLECTING_SECONDS
        if not _ring(sweep, countdown=COLLECTING_SECONDS):
            del collecting_until[sweep.name]

    _after_commit(ring)


def _after_commit(ring: Callable[[], object]) -> None:
    if not _is_quiet.get():
        transaction.on_commit(ring, robust=True)


def _ring(task: Task[Any, Any] | Signature[Any], *ids: int | str, countdown: float = 0.0) -> bool:
    try:
        task.apply_async(args=ids, retry=False, countdown=countdown)
    except (OperationalError, OSError) as error:
        log.warning("broker_unreachable", task=task.name, ids=list(ids), error=str(error))
        return False
    return True


class Sweep(Protocol):
    """Takes up at most `limit` rows that are due `now`, and returns how many it dealt with."""

    def __call__(self, *, limit: int, now: dt.datetime) -> int: ...


def in_batches(sweep: Sweep, *, size: int, at_most: int) -> int:
    """Run a sweep's use case batch after batch, and return how many rows were dealt with.

    Each batch receives the time at which it begins. Its rows wait for a vendor's answers, so for the last batches the
    time at which the task began would be long past. The first batch that finds less than a full load ends the run.
    """
    done = 0
    for _ in range(at_most):
        batch = sweep(limit=size, now=utc_now())
        done += batch
        if batch < size:
            break
    return done


def aside(work: Callable[[], object], *, patience: float) -> None:
    """Do work that waits for somebody else's answers in a thread, and let it continue alone after `patience` seconds,
    because the worker has other work too.

    Exceptions until then are raised here; later ones are logged. The work must be represented by a row, since the
    thread ends with its process.
    """
    done = _threads().submit(_with_own_connections, work)
    try:
        done.result(timeout=patience)
    except TimeoutError:
        if done.done():  # the work raised it
            raise
        done.add_done_callback(_log_trouble)


def _with_own_connections(work: Callable[[], object]) -> None:
    close_old_connections()
    try:
        work()
    finally:
        close_old_connections()


def _log_trouble(done: Future[None]) -> None:
    if error := done.exception():
        log.error("work_aside_failed", exc_info=error)


@cache
def _threads() -> ThreadPoolExecutor:
    """Return this process's threads, created when first needed, because workers are forked earlier."""
    return ThreadPoolExecutor(max_workers=THREADS, thread_name_prefix="aside")
