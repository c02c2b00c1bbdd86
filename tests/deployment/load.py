"""Clients of a deployment: integrators who send learners until each has an answer, and parents who pay."""

import itertools
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import httpx

from sandbox.testing import SandboxProcess, wait_until

CUT_OFF = 0  # in place of a status: there was no answer
PATIENCE = 120.0  # twice as long as a key whose request died counts as in flight
CLIENTS = 4
PAUSE = 0.2  # before the next learner: the machine has other work to do


@dataclass
class Load:
    """A context manager with four clients, each of which enrolls one learner after the other and repeats unacknowledged
    requests with the same key until they are acknowledged. Every fourth learner has a parent, who pays.
    """

    url: str
    key: str
    sandbox: SandboxProcess
    answers: Counter[int] = field(default_factory=Counter)
    without_advice: Counter[int] = field(default_factory=Counter)  # 503s that do not say when to come back
    seated: list[str] = field(default_factory=list)
    paid: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    surprises: list[str] = field(default_factory=list)  # the first words of all other answers
    # Whether a release that serves now keeps the key of a request that ended in a 500 or 503 in flight until its lease
    # is over, as 0.1.0 does. The 409s for such keys are counted apart.
    keeps_keys: bool = False
    left_in_flight: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._ended = threading.Event()
        self._rest = threading.Event()
        self._pause = threading.Event()  # never set
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._write) for _ in range(CLIENTS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        self.wait_for_more(1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def wait_for_more(self, count: int = 20) -> None:
        """Wait until this many more were acknowledged. Raise TimeoutError."""
        wanted = self.answers[200] + count
        wait_until(lambda: self.answers[200] >= wanted or bool(self.errors), seconds=PATIENCE)
        assert self.errors == []

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Finish the enrollments under way and start no others meanwhile, so that the worker's backlog doesn't grow."""
        self._rest.set()
        try:
            yield
        finally:
            self._rest.clear()

    def _write(self) -> None:
        try:
            # None is kept: a proxy that is reconfigured closes kept connections, even with a request on its way.
            limits = httpx.Limits(max_keepalive_connections=0)
            with httpx.Client(timeout=PATIENCE, trust_env=False, limits=limits) as client:
                while not self._ended.is_set():
                    if self._rest.is_set():
                        self._ended.wait(PAUSE)
                        continue
                    number = next(self._numbers)
                    self._enroll(client, f"learner{number}@school.test", pays=number % 4 == 0)
                    self._ended.wait(PAUSE)
        except Exception as error:
            self.errors.append(f"{type(error).__name__}: {error}")

    def _enroll(self, client: httpx.Client, email: str, *, pays: bool) -> None:
        body = {
            "learner_profile": {"email": email, "first_name": "Jane", "last_name": "Doe"},
            "context": {"guardian_id": f"of-{email}"} if pays else {"tenant_id": 1},
        }
        headers = {"Authorization": f"Bearer {self.key}", "Idempotency-Key": email}
        deadline = time.monotonic() + PATIENCE
        has_broken = False
        while (answer := self._answer(client, body, headers, has_broken=has_broken)) is None or (
            answer.status_code != 200
        ):
            if self.keeps_keys and answer is not None and answer.status_code in (500, 503):
                has_broken = True
            if answer is not None and answer.status_code == 409:
                assert answer.json()["code"] == "idempotency_key_in_flight", answer.text
            if deadline - time.monotonic() < 0:
                raise TimeoutError(f"{email} was never answered: {answer and answer.text[:300]}")
            self._pause.wait(0.1)
        if pays:
            self.sandbox.pay(answer.json()["checkout_url"])
        with self._lock:
            (self.paid if pays else self.seated).append(email)

    def _answer(
        self, client: httpx.Client, body: object, headers: dict[str, str], *, has_broken: bool
    ) -> httpx.Response | None:
        try:
            answer = client.post(f"{self.url}/api/enroll", json=body, headers=headers)
        except httpx.HTTPError:
            answer = None
        status = answer.status_code if answer is not None else CUT_OFF
        with self._lock:
            if status == 409 and has_broken:
                self.left_in_flight[headers["Idempotency-Key"]] += 1
                return answer
            self.answers[status] += 1
            if answer is not None and status not in (200, 503, 409):
                self.surprises.append(f"{status} {answer.text[:300]}")
            if answer is not None and status == 503 and not answer.headers.get("Retry-After", "").isdigit():
                self.without_advice[status] += 1
        return answer
