"""Kill a process between any two steps of its work.

A step is an effect that survives the process: a commit, a statement outside a transaction, a request to Stripe or to a
partner, a batch handed to the event stream, a mail, or a message to the broker. `steps_of` runs a use case in a process
of its own and lists its steps; `killed_at` runs it and sends SIGKILL to that process right before or right after one of
them; `killed_at_each_write` goes inside its transactions. The product contains none of this: the hooks are installed in
the forked process only.
"""

import itertools
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

import httpx
import requests
from celery import Signature
from django.core.mail import EmailMessage
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper

from core import outbound
from events.gateways.log import LogStream
from events.webhooks import delivering
from sandbox.testing import wait_until
from tests.processes import Death, Failure, in_process

KILLED = Death(signal.SIGKILL)
Point = Callable[[str], None]


@dataclass(slots=True)
class Hooks:
    """Calls `before` and `after` around every step, with the step's name."""

    before: Point
    after: Point

    def run(self, use_case: Callable[[], Any]) -> Any:
        with ExitStack() as patches:
            patches.enter_context(self._around(BaseDatabaseWrapper, "commit", lambda *_: "commit"))
            patches.enter_context(self._around(requests.Session, "request", _request_name))
            patches.enter_context(self._around(outbound, "_ask", _outbound_name))
            patches.enter_context(self._around(Signature, "apply_async", lambda task, *_, **__: f"ring {task.task}"))
            patches.enter_context(self._around(LogStream, "append", lambda *_: "hand on"))
            patches.enter_context(self._around(EmailMessage, "send", lambda *_: "mail"))
            patches.enter_context(self._around(delivering, "ask", lambda *_, **__: "tell a receiver"))
            patches.enter_context(connection.execute_wrapper(self._around_statement))
            return use_case()

    def _around(self, owner: Any, name: str, describe: Callable[..., str]) -> Any:
        original = getattr(owner, name)

        def hooked(*args: Any, **kwargs: Any) -> Any:
            step = describe(*args, **kwargs)
            self.before(step)
            answer = original(*args, **kwargs)
            self.after(step)
            return answer

        return patch.object(owner, name, hooked)

    def _around_statement(
        self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]
    ) -> Any:
        if context["connection"].in_atomic_block or not _writes(sql):
            return execute(sql, params, many, context)
        step = " ".join(sql.replace('"', "").split()[:2]).lower()
        self.before(step)
        answer = execute(sql, params, many, context)
        self.after(step)
        return answer


def steps_of(use_case: Callable[[], Any]) -> list[str]:
    """Run a use case and return its steps in order."""

    def listen() -> list[str]:
        steps: list[str] = []
        Hooks(before=steps.append, after=lambda step: None).run(use_case)
        return steps

    steps = in_process(listen)
    assert not isinstance(steps, Failure), steps
    return list(steps)


def killed_at(use_case: Callable[[], Any], *, number: int, after: bool) -> None:
    """Run a use case in a process that is killed right before (or right after) its step with this number, from 0."""

    def count(seen: list[str], step: str) -> None:
        if len(seen) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        seen.append(step)

    def ignore(step: str) -> None:
        pass

    die = partial(count, [])
    hooks = Hooks(before=ignore, after=die) if after else Hooks(before=die, after=ignore)
    assert in_process(partial(hooks.run, use_case)) == KILLED
    wait_until(_its_locks_are_gone)


def _its_locks_are_gone() -> bool:
    """Wait until PostgreSQL notices that its client is dead and releases the rows that it had locked. Until then, a
    sweep skips them; the next sweep would find them, but a test runs only one.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL"
        )
        return bool(cursor.fetchone() == (0,))


def killed_at_each_write(use_case: Callable[[], Any]) -> Iterator[int]:
    """Run a use case again and again in processes that are killed right before their first write, their second, and so
    on, inside and outside of transactions; yield the number of each kill. The last run is not killed and completes it.
    """
    for number in itertools.count():
        answer = in_process(partial(_run_until_write, number, use_case))
        if answer != KILLED:
            assert not isinstance(answer, Failure), answer
            return
        yield number


def _run_until_write(number: int, use_case: Callable[[], Any]) -> None:
    seen = itertools.count()

    def count(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if _writes(sql) and next(seen) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(count):
        use_case()


def _writes(sql: str) -> bool:
    return sql.lstrip().upper().startswith(("INSERT", "UPDATE", "DELETE"))


def _outbound_name(method: str, target: httpx.URL, *_: Any) -> str:
    return _name(method, target.path)


def _request_name(session: requests.Session, method: str, url: str, *_: Any, **__: Any) -> str:
    return _name(method, urlsplit(url).path)


def _name(method: str, path: str) -> str:
    parts = path.split("/")
    return f"{method.upper()} {'/'.join('…' if '_' in part else part for part in parts)}"  # ids have underscores
