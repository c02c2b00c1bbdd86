"""Do things at once, in processes forked from the test, which share its settings, patches, and fixtures."""

import contextlib
import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from django.db import connections

from billing.gateways import stripe as stripe_gateway
from core import work

_forking = multiprocessing.get_context("fork")
SECONDS = 60.0
BOTH_COME = 20.0  # seconds that callers of a Meeting wait for each other
KEPT_OUT = 0.5  # the same, where a lock keeps one of them out
_connections_of_the_test: list[Any] = []  # so that nothing in a forked process cleans them up


@dataclass(frozen=True, slots=True)
class Failure:
    """The exception that ended a call."""

    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class Death:
    """The signal that killed the process before its call ended."""

    signal: int


def at_once(*calls: Callable[[], Any], seconds: float = SECONDS) -> list[Any]:
    """Run each call in its own process, all starting at the same moment; return, in order, the (pickled) results, or
    how they failed or died. Raise TimeoutError, with all of them ended, if one takes longer than `seconds`.
    """
    _close_what_cannot_outlive_a_fork()
    start = _forking.Barrier(len(calls))
    runs = []
    for call in calls:
        ours, theirs = _forking.Pipe(duplex=False)
        process = _forking.Process(target=_run, args=(call, start, theirs), daemon=True)
        process.start()
        theirs.close()
        runs.append((process, ours))
    deadline = time.monotonic() + seconds
    try:
        return [_answer(process, answers, deadline) for process, answers in runs]
    finally:
        for process, _ in runs:
            process.kill()
            process.join()


def in_process(call: Callable[[], Any], *, seconds: float = SECONDS) -> Any:
    """Run one call in its own process; return its result, or how it failed or died."""
    return at_once(call, seconds=seconds)[0]


class Meeting:
    """Wraps a function so that callers in `parties` processes leave it together, every time or `once`, however slow the
    machine is. Where a lock is to keep one of them out, the others continue alone after `patience` seconds: `KEPT_OUT`
    is enough there. The test itself may not call it: it would wait alone, and nobody would meet after it.
    """

    def __init__(
        self, function: Callable[..., Any], *, parties: int = 2, patience: float = BOTH_COME, once: bool = False
    ) -> None:
        self._function = function
        self._patience = patience
        self._barrier = _forking.Barrier(parties)
        self._once = once
        self._have_met = _forking.Event()
        self._test = os.getpid()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        assert os.getpid() != self._test, "make what the race is about before its calls are to meet"
        answer = self._function(*args, **kwargs)
        if not (self._once and self._have_met.is_set()):
            with contextlib.suppress(threading.BrokenBarrierError):
                self._barrier.wait(self._patience)
                self._have_met.set()
        return answer


def _close_what_cannot_outlive_a_fork() -> None:
    """Close SQLite's connections: its locks belong to a process, and a transaction to its connection. PostgreSQL's
    connection stays with the test, since a new server process would have to read its catalogs again.
    """
    for connection in connections.all(initialized_only=True):
        if connection.vendor != "postgresql" or connection.in_atomic_block:
            connection.close()


def _leave_connections_to_the_test() -> None:
    """Leave the parent's connections alone: a forked process may neither use nor close them, but opens its own."""
    for connection in connections.all(initialized_only=True):
        if connection.connection is not None:
            _connections_of_the_test.append(connection.connection)
            connection.connection = None


def _run(call: Callable[[], Any], start: Any, answers: "Connection[Any, Any]") -> None:
    _leave_connections_to_the_test()
    stripe_gateway._connect.cache_clear()  # connections to Stripe can't be shared either
    work.collecting_until.clear()  # nor has a process that starts asked for a sweep
    answer: Any
    try:
        start.wait(SECONDS)
        answer = call()
    except BaseException as error:
        answer = Failure(type(error).__name__, str(error))
    finally:
        connections.close_all()
    answers.send(answer)


def _answer(process: Any, answers: "Connection[Any, Any]", deadline: float) -> Any:
    if not answers.poll(max(0.0, deadline - time.monotonic())):
        raise TimeoutError("a process did not come to an end")
    try:
        return answers.recv()
    except EOFError:
        process.join(SECONDS)
        return Death(-process.exitcode)
