"""Production as compose.yaml defines it, with each of its parts restarted while clients write."""

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser

from .image import STATIC_FILES, Image, copy_files_of_image
from .inside import acknowledged
from .journeys import TUITION, Journeys
from .load import CUT_OFF, Load
from .running import ROOT, Deployment
from .servers import missing

pytestmark = [
    pytest.mark.fault,
    pytest.mark.slow,
    pytest.mark.skipif(bool(missing()), reason=f"not installed here, see make test-stack: {', '.join(missing())}"),
]


@pytest.fixture(scope="module")
def deployment() -> Iterator[Deployment]:
    with tempfile.TemporaryDirectory(prefix="image-") as folder, Deployment(files=Path(folder)) as running:
        collect_static_files()
        copy_files_of_image(Path(folder))
        running.manage("upgrade_database")
        for service in ("worker", "beat", "web"):
            running.start(service)
        running.admit("web")
        yield running


@pytest.fixture(scope="module")
def journeys(deployment: Deployment, browser: Browser) -> Journeys:
    return Journeys(deployment, browser)


@pytest.fixture(scope="module")
def key(deployment: Deployment) -> str:
    return str(deployment.call("tests.faults.seed:found_workspace")["key"])


def collect_static_files() -> None:
    """Collect them as for the image, unless they exist and are current: compressing them takes a while."""
    collected = ROOT / STATIC_FILES / "staticfiles.json"
    newest = max(path.stat().st_mtime for path in (ROOT / "static").rglob("*"))
    if not collected.exists() or collected.stat().st_mtime < newest:
        collect, environment = Image(ROOT).collecting_static_files()
        subprocess.run(
            [sys.executable, *collect[1:]],
            cwd=ROOT,
            env=environment | {"ENV_FILE": os.devnull},
            check=True,
            capture_output=True,
        )


def restart_web(running: Deployment) -> None:
    running.stop("web")
    running.start("web")
    running.admit("web")


def kill(name: str) -> Callable[[Deployment], None]:
    def disturb(running: Deployment) -> None:
        running.kill(name)
        running.start(name)
        if name == "web":
            running.admit("web")

    return disturb


def restart(name: str) -> Callable[[Deployment], None]:
    def disturb(running: Deployment) -> None:
        running.stop(name)
        running.start(name)

    return disturb


# A key whose request died is in flight for a minute, and then the request is executed.
EXPECTED = {200, 503, 409}
# What is done to a part, and which other answers are allowed meanwhile.
DISTURBANCES: dict[str, tuple[Callable[[Deployment], None], set[int]]] = {
    "PostgreSQL restarted": (lambda running: running.postgres.restart(), set()),
    "Redis restarted": (lambda running: running.redis.restart(), set()),
    "pgbouncer restarted": (lambda running: running.pgbouncer.restart(), set()),
    "nginx restarted": (lambda running: running.nginx.restart(), {CUT_OFF}),
    "web restarted": (restart_web, set()),
    "web killed": (kill("web"), {502}),
    "worker restarted": (restart("worker"), set()),
    "worker killed": (kill("worker"), set()),
    "beat restarted": (restart("beat"), set()),
}


class TestEachPart:
    @pytest.mark.browser
    def test_may_be_restarted_under_load_and_no_acknowledged_write_is_lost_or_doubled(
        self, deployment: Deployment, journeys: Journeys, key: str
    ) -> None:
        told: dict[str, Counter[int]] = {}
        with Load(deployment.url, key, deployment.sandbox) as load:
            for name, (disturb, _) in DISTURBANCES.items():
                before = Counter(load.answers)
                with load.resting():
                    journeys.begin()
                load.wait_for_more()
                disturb(deployment)
                load.wait_for_more()
                with load.resting():
                    journeys.end()
                told[name] = load.answers - before
        print(json.dumps({name: dict(answers) for name, answers in told.items()}))

        unexpected = {
            name: others
            for name, answers in told.items()
            if (others := answers.keys() - EXPECTED - DISTURBANCES[name][1])
        }
        faults = (load.errors, unexpected, load.without_advice)
        assert faults == ([], {}, Counter()), [*load.surprises[:5], *deployment.tracebacks("web")]
        deployment.wait_until_settled()
        assert acknowledged(deployment) == {
            "seated": sorted(load.seated),
            "paid": sorted(load.paid),
            "used_seats": len(load.seated),
        }
        assert {name: len(people) for name, people in journeys.arrived.items()} == dict.fromkeys(
            ("purchase", "application", "course", "refund"), len(DISTURBANCES)
        )
        assert journeys.rows() == journeys.told()
        assert journeys.earned() == 4900 * len(load.paid) + TUITION * len(DISTURBANCES)
        assert json.loads(deployment.manage("doctor", "--json"))["breaches"] == {}


class TestBehindPgbouncer:
    def test_the_timeouts_of_a_session_are_those_without_it(self, deployment: Deployment) -> None:
        assert deployment.call("tests.deployment.inside:timeouts") == ["5s", "30s", "30s"]

    def test_transactions_of_many_share_few_connections(self, deployment: Deployment, key: str) -> None:
        with Load(deployment.url, key, deployment.sandbox) as load:
            load.wait_for_more(10)
            ((connections,),) = deployment.postgres.ask(
                "SELECT count(*) FROM pg_stat_activity WHERE usename = 'enrollment' AND pid <> pg_backend_pid()"
            )

        assert 0 < int(str(connections)) <= 20


class TestTheProxy:
    def test_serves_pages_and_their_files(self, deployment: Deployment) -> None:
        page = httpx.get(f"{deployment.url}/courses", trust_env=False)
        style = httpx.get(deployment.url + page.text.partition('rel="stylesheet" href="')[2].partition('"')[0])

        assert (page.status_code, style.status_code) == (200, 200)
        assert "immutable" in style.headers["Cache-Control"]

    def test_says_when_to_come_back_when_there_is_no_web(self, deployment: Deployment) -> None:
        deployment.stop("web")

        answer = httpx.post(f"{deployment.url}/api/enroll", json={}, trust_env=False)
        deployment.start("web")
        deployment.admit("web")

        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.json()["status"] == 503
