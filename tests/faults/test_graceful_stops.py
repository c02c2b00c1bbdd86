"""Web, worker, and beat are told to stop while they work, by the signal that Docker and Kubernetes send."""

import contextlib
import itertools
import socket
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from sandbox.testing import wait_until
from tests.stack import RunningStack

pytestmark = [pytest.mark.fault, pytest.mark.slow]

CUT_OFF = 0  # in place of a status: the connection broke
SECONDS = 60.0
# as in compose.yaml
WORKER = ["celery", "-A", "enrollment_project", "worker", "--concurrency", "2", "--loglevel", "INFO"]
GRANIAN = {
    "GRANIAN_INTERFACE": "wsgi",
    "GRANIAN_HOST": "127.0.0.1",
    "GRANIAN_WORKERS": "2",
    "GRANIAN_BLOCKING_THREADS": "1",
    "GRANIAN_WORKERS_KILL_TIMEOUT": "20",
}


class Site:
    """The stack as production runs it, and an integrator who enrolls learners."""

    def __init__(self, stack: RunningStack) -> None:
        self.stack = stack
        self.key = stack.call("tests.faults.seed:found_workspace")["key"]
        self._numbers = itertools.count(1)

    def enroll(self, client: httpx.Client, **context: Any) -> int:
        """Return the status of the answer, or CUT_OFF if there was none."""
        email = f"learner{next(self._numbers)}@school.test"
        body = {
            "learner_profile": {"email": email, "first_name": "Jane", "last_name": "Doe"},
            "context": context or {"tenant_id": 1},
        }
        headers = {"Authorization": f"Bearer {self.key}", "Idempotency-Key": email}
        try:
            return client.post(f"{self.stack.url}/api/enroll", json=body, headers=headers).status_code
        except httpx.HTTPError:
            return CUT_OFF

    def readiness(self) -> int:
        try:
            return httpx.get(f"{self.stack.url}/readyz", timeout=SECONDS, trust_env=False).status_code
        except httpx.HTTPError:
            return CUT_OFF

    def listens(self) -> bool:
        """Return whether somebody accepts connections. No request is sent, since it would wait behind a slow one."""
        try:
            socket.create_connection(("127.0.0.1", self.stack.port), timeout=SECONDS).close()
        except ConnectionRefusedError:
            return False
        return True

    def slow_at_stripe(self, *, path: str, method: str) -> None:
        """Let the next such request take a while."""
        self.stack.sandbox.faults(latency_ms={"value": 2000, "path": path, "method": method, "times": 1})

    def wait_until_stripe_is_asked(self) -> None:
        wait_until(lambda: not self.stack.sandbox.faults(), seconds=SECONDS)

    def completed(self) -> int:
        return int(self.stack.call("tests.faults.seed:decisions_by_status").get("completed", 0))


def client() -> httpx.Client:
    return httpx.Client(timeout=SECONDS, trust_env=False)


@contextlib.contextmanager
def site(*, drain_seconds: float = 1.0) -> Iterator[Site]:
    web = [sys.executable, "-m", "enrollment_project.serving"]
    environment = GRANIAN | {"DRAIN_SECONDS": str(drain_seconds)}
    with RunningStack(environment=environment, commands={"worker": WORKER, "web": web}) as stack:
        yield Site(stack)


class Balancer:
    """Four clients that keep their connections and send as fast as they are answered, for as long as web is ready."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.answers: Counter[int] = Counter()
        self.heard: list[int] = []  # the answers of /readyz
        self.is_ready = threading.Event()
        self.is_ready.set()
        self._lock = threading.Lock()

    def write(self) -> None:
        with client() as http:
            while self.is_ready.is_set():
                status = self.site.enroll(http)
                with self._lock:
                    self.answers[status] += 1

    def listen(self) -> None:
        """Ask whether web is ready until it isn't."""
        while self.is_ready.is_set():
            self.heard.append(self.site.readiness())
            if self.heard[-1] != 200:
                self.is_ready.clear()


class TestWebThatIsToldToStop:
    def test_under_load_is_not_ready_first_and_cuts_no_request_off(self) -> None:
        with site() as running, ThreadPoolExecutor(5) as pool:
            balancer = Balancer(running)
            done = [pool.submit(balancer.listen), *(pool.submit(balancer.write) for _ in range(4))]
            wait_until(lambda: balancer.answers.total() >= 20, seconds=SECONDS)

            running.stack.tell_to_stop("web")
            for future in done:
                future.result(SECONDS)
            code = running.stack.wait_for("web", seconds=30)

            assert set(balancer.answers) == {200}
            assert balancer.heard[-1] == 503
            assert (code, running.readiness()) == (0, CUT_OFF)

    def test_finishes_what_it_has_begun_and_takes_nothing_new(self) -> None:
        with site(drain_seconds=0) as running, client() as http, ThreadPoolExecutor(1) as pool:
            answer = begin_slowly(running, pool, http)

            running.stack.tell_to_stop("web")
            wait_until(lambda: not running.listens(), seconds=SECONDS)
            was_under_way = not answer.done()

            assert was_under_way
            assert answer.result(SECONDS) == 200
            assert running.stack.wait_for("web", seconds=30) == 0

    def test_cuts_off_what_it_has_begun_when_it_is_killed(self) -> None:
        """Control: the behavior tested above does not come for free."""
        with site() as running, client() as http, ThreadPoolExecutor(1) as pool:
            answer = begin_slowly(running, pool, http)

            running.stack.kill("web")

            assert answer.result(SECONDS) == CUT_OFF


def begin_slowly(running: Site, pool: ThreadPoolExecutor, http: httpx.Client) -> "Future[int]":
    """Begin a request that waits for Stripe."""
    running.slow_at_stripe(path="/v1/checkout/sessions", method="POST")
    answer = pool.submit(running.enroll, http, guardian_id="guardian_456")
    running.wait_until_stripe_is_asked()
    return answer


class TestAWorkerThatIsToldToStop:
    def test_finishes_its_task(self) -> None:
        with site() as running:
            begin_a_task(running)

            code = running.stack.stop("worker", seconds=30)

            assert (code, running.completed()) == (0, 1)

    def test_leaves_its_task_to_a_sweep_when_it_is_killed(self) -> None:
        with site() as running:
            begin_a_task(running)

            running.stack.kill("worker")

            assert running.completed() == 0
            running.stack.call("tests.sweeps:sweep")
            assert running.completed() == 1


def begin_a_task(running: Site) -> None:
    """Begin a task that asks Stripe about a payment."""
    with client() as http:
        body = {
            "learner_profile": {"email": "paying@school.test", "first_name": "Jane", "last_name": "Doe"},
            "context": {"guardian_id": "guardian_456"},
        }
        headers = {"Authorization": f"Bearer {running.key}"}
        url = http.post(f"{running.stack.url}/api/enroll", json=body, headers=headers).json()["checkout_url"]
    running.slow_at_stripe(path="/v1/checkout/sessions", method="GET")
    running.stack.sandbox.pay(url)
    running.wait_until_stripe_is_asked()


class TestBeatThatIsToldToStop:
    def test_stops_at_once_and_resumes_its_schedule_after_a_restart(self) -> None:
        with RunningStack(beat=True) as stack:
            stack.kill("worker")  # so that what beat requests stays in the queue

            def rings() -> int:
                return len([*(stack.folder / "celery" / "queue").iterdir()])

            wait_until(lambda: rings() > 0, seconds=SECONDS)
            code = stack.stop("beat")
            rung = rings()
            stack.start("beat")
            wait_until(lambda: rings() > rung, seconds=SECONDS)

            assert code == 0
